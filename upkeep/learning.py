"""From pictures and titles to a trained model with honest figures: the one road for the first start and for every training after it."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from crossmodal.backbones.resnet import Weights
from crossmodal.evaluation.metrics import RetrievalFigures
from crossmodal.inference import has_bf16
from crossmodal.memory import freed_memory_kept
from crossmodal.progress import OnProgress, Progress
from crossmodal.text.counting import counted, were
from crossmodal.threads import ALL_THREADS, torch_threads
from crossmodal.training.trainer import EpochFigures, TrainingPlan
from datasets import LostFoundDataset
from engine.model_spec import ModelCard, ModelSpec
from engine.trained_model import TrainedModel, build_untrained
from system import LostFoundSystem, evaluate_titles, minimal_train_model


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How this installation trains: see `TrainingPlan` and `minimal_train_model`."""

    max_epochs: int
    batch_size: int
    learning_rate: float
    patience: int
    seed: int

    def sizes(self, full_px: int) -> list[int]:
        """The pictures' side in each epoch: half of it, three quarters, and the whole for the last half of the epochs."""
        quarter = self.max_epochs // 4
        small, middle = [full_px // 2] * quarter, [full_px * 3 // 4] * quarter
        return small + middle + [full_px] * (self.max_epochs - 2 * quarter)


@dataclass(frozen=True, slots=True)
class Material:
    """What to learn from and what to be measured on.

    Attributes:
        held_out: never trained on, in whatever way the rest is split.
        damaged: how many pictures were left out because they are stored damaged; `left_out` says so.
    """

    train: LostFoundDataset
    held_out: LostFoundDataset
    catalogue: str
    damaged: int = 0


def left_out(damaged: int) -> str:
    """That so many pictures were left out, for the answer to a person; empty when all were sound."""
    if not damaged:
        return ""
    return f"{counted(damaged, 'damaged picture')} {were(damaged)} left out."


def learn(
    material: Material,
    spec: ModelSpec,
    settings: TrainingSettings,
    *,
    weights: Weights,
    on_progress: OnProgress,
    stop: threading.Event | None = None,
) -> TrainedModel:
    """Train a new model and measure it on what it never saw. With ImageNet weights the picture network is left as it came.

    Raises:
        Stopped: `stop` was set. TrainingError: too few pictures, or the loss ran away. Nothing was written either way.
    """
    system = build_untrained(spec, weights=weights, seed=settings.seed)
    started = time.monotonic()
    sizes, frozen = settings.sizes(spec.image_size_px), weights.state is not None
    watch = _Watch(on_progress, [1] * settings.max_epochs if frozen else sizes, started)
    with freed_memory_kept(), torch_threads(ALL_THREADS):
        history = minimal_train_model(
            system,
            material.train,
            plan=TrainingPlan(settings.max_epochs, settings.learning_rate, settings.patience, bf16=has_bf16()),
            batch_size=settings.batch_size,
            seed=settings.seed,
            sizes=sizes,
            frozen_backbone=frozen,
            on_epoch=watch.epoch,
            on_step=watch.step,
            stop=stop,
        )
    card = ModelCard(
        weights=weights.name,
        weights_note=weights.note,
        catalogue=material.catalogue,
        trained_on=len(material.train),
        trained_at=time.time(),
        training_seconds=time.monotonic() - started,
        held_out=measure(system, material.held_out),
        history=tuple(history),
    )
    return TrainedModel(system, spec, card, model_id="")


def measure(system: LostFoundSystem, held_out: LostFoundDataset) -> RetrievalFigures | None:
    """Text → image among all held-out pictures; None when nothing was held out."""
    return evaluate_titles(system, held_out) if len(held_out) else None


class _Watch:
    """Turns steps and epochs into progress with an estimate of the time left.

    A step on pictures of half the side takes about half the time: the pictures cost a quarter, the optimiser as much as ever.

    Args:
        sizes: the pictures' side in each epoch.
    """

    def __init__(self, on_progress: OnProgress, sizes: Sequence[int], started: float) -> None:
        self._on_progress = on_progress
        self._costs = list(sizes)
        self._max_epochs = len(sizes)
        self._started = started
        self._epoch = 0
        self._seconds_left: float | None = None

    def step(self, done: int, total: int) -> None:
        """A step is over."""
        elapsed = time.monotonic() - self._started
        epochs, steps = divmod(done * self._max_epochs, total)
        spent = sum(self._costs[:epochs]) + (self._costs[epochs] * steps / total if steps else 0.0)
        self._seconds_left = elapsed / spent * (sum(self._costs) - spent)
        self._on_progress(
            Progress(
                "model",
                f"Training on this computer, epoch {self._epoch + 1} of {self._max_epochs}",
                done=done,
                total=total,
                rate_per_s=done / elapsed if elapsed else 0.0,
                seconds_left=self._seconds_left,
            )
        )

    def epoch(self, figures: EpochFigures) -> None:
        """An epoch is over."""
        self._epoch = figures.epoch
        self._on_progress(
            Progress(
                "model",
                f"Epoch {figures.epoch} of {self._max_epochs} is done",
                done=figures.epoch,
                total=self._max_epochs,
                seconds_left=self._seconds_left,
                figures={"epoch": figures.epoch, "loss": figures.loss, "validation_recall_at_1": figures.recall_at_1},
            )
        )
