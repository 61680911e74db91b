"""One training run: takes both encoders, pictures with captions and a recipe; trains in index and writes a run folder."""

import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from crossmodal.backbones.base import Features
from crossmodal.errors import TrainingError
from crossmodal.installation import VERSION
from crossmodal.progress import OnProgress
from crossmodal.runtimes.device import resolve_device, uses_bf16
from crossmodal.runtimes.torch import ALL_THREADS, freed_memory_kept, torch_threads
from crossmodal.training.callbacks import ProgressReporter
from crossmodal.training.losses import loss_named
from crossmodal.training.optim import grouped_adamw
from crossmodal.training.plan import EpochFigures, TrainingPlan, TrainingTask, Validation
from crossmodal.training.run_dir import RunDir
from crossmodal.training.sampler import seed_everything, word_targets
from crossmodal.training.trainer import train
from training.data import TEST, TRAIN, VALIDATION, TrainingData
from training.frozen import FrozenPictures, FrozenTexts, PairLearner, RunBatches, TrainedParts, TrainingPairs, TwoTowers
from training.presets import Recipe, growing_sizes
from training.report import recall_sum

PRODUCT = f"crossmodal-visual-search {VERSION}"
_CHUNK = 64


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Options of a training run.

    Attributes:
        folder: the run folder.
        cache: folder of the feature caches, shared by all runs.
        source: name of the data.
        preset, weights: name of the preset and origin of its weights, recorded in the run folder.
        save_every_epochs, save_every_steps: see `TrainingPlan`.
        resume: resume the run in the folder.
        device: one of `crossmodal.runtimes.device.DEVICES`. On another device, a resumed run gives other numbers.
    """

    folder: Path
    cache: Path
    source: str
    preset: str
    weights: tuple[str, ...]
    recipe: Recipe
    seed: int = 42
    save_every_epochs: int = 0
    save_every_steps: int = 0
    resume: bool = False
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """The history of a run and its duration. `training_seconds` does not include `encoding_seconds`."""

    history: tuple[EpochFigures, ...]
    encoding_seconds: float
    training_seconds: float


def train_run(
    system: TwoTowers,
    data: TrainingData,
    settings: RunSettings,
    *,
    on_progress: OnProgress,
    stop: threading.Event | None = None,
) -> RunOutcome:
    """Train `system` in index and load the weights with the best recall sum on the validation side.

    Raises:
        QueryError: the device is not available.
        TrainingError: the folder already contains a run, a setting differs from that of the resumed run, a side has too few pictures, or
            the loss is not finite.
        Stopped: `stop` was set; the run can be resumed.
    """
    run = _Run(system, data, settings, resolve_device(settings.device), on_progress, stop)
    with freed_memory_kept(), torch_threads(ALL_THREADS):
        run.encode()
        run.train()
    return RunOutcome(tuple(run.history), run.encoding_s, run.training_s)


class _Run:
    """One training run."""

    def __init__(
        self,
        system: TwoTowers,
        data: TrainingData,
        settings: RunSettings,
        device: torch.device,
        on_progress: OnProgress,
        stop: threading.Event | None,
    ) -> None:
        check_sides(data)
        seed_everything(settings.seed)
        self._data, self._settings = data, settings
        self._device, self._on_progress, self._stop = device, on_progress, stop
        self._system, self._recipe = system, settings.recipe
        loss = loss_named(self._recipe.loss)
        with torch.no_grad():
            self._system.temperature.fill_(torch.tensor(loss.initial_logit_scale).log())
        text_blocks = self._recipe.text_blocks if self._system.text_encoder.backbone.cacheable else None
        from_random = self._recipe.image_blocks is None and not system.image_encoder.backbone.origin.pretrained
        self._pairs = TrainingPairs.of_data(data)
        self._words = word_targets(self._pairs.captions) if self._recipe.predict_words and from_random else None
        self._sizes = growing_sizes(data.pixels.shape[1], self._recipe.epochs) if self._recipe.growing and from_random else None
        self._learner = PairLearner(
            self._system,
            loss,
            image_blocks=self._recipe.image_blocks,
            text_blocks=text_blocks,
            vocabulary=self._words.shape[1] if self._words is not None else 0,
        )
        self._pictures, self._texts = self._frozen()
        self.history: list[EpochFigures] = []
        self.encoding_s = self.training_s = 0.0

    def _frozen(self) -> tuple[FrozenPictures | None, FrozenTexts | None]:
        """The frozen features of both sides; None for a side whose whole backbone is trained."""
        cache, pictures, texts = self._settings.cache, None, None
        if (blocks := self._learner.pictures.blocks) is not None:
            pictures = FrozenPictures(
                self._system.image_encoder, self._data, cache, blocks=blocks, views=self._recipe.views, device=self._device
            )
        if (blocks := self._learner.texts.blocks) is not None:
            captions = [text for texts_of_one in self._data.captions for text in texts_of_one]
            texts = FrozenTexts(self._system.text_encoder, captions, cache, blocks=blocks, device=self._device)
        return pictures, texts

    def encode(self) -> None:
        """Encode the frozen features that are not cached yet."""
        began = time.monotonic()
        for side in (self._pictures, self._texts):
            if side is not None and self._recipe.epochs:
                side.encode(self._on_progress, self._stop)
                side.ready()
        self.encoding_s = time.monotonic() - began

    def train(self) -> None:
        """Train for the epochs of the recipe, if it has any."""
        if not self._recipe.epochs:
            return
        began = time.monotonic()
        recipe = self._recipe
        batches = RunBatches(
            self._system,
            self._pairs,
            pictures=self._pictures,
            texts=self._texts,
            batch_size=recipe.batch_size,
            captions=recipe.captions,
            seed=self._settings.seed,
            device=self._device,
            sizes=self._sizes,
            words=self._words,
        )
        plan = self._plan()
        learner = self._learner.to(self._device)
        optimizer = grouped_adamw(learner, plan, towers=self._rates())
        task = TrainingTask(batches.sampler.steps_per_epoch, batches.epoch, learner, self._validate)
        reporter = ProgressReporter(self._on_progress, recipe.epochs)
        self.history = train(
            learner,
            plan,
            task,
            optimizer,
            folder=self._folder(),
            on_epoch=reporter.epoch,
            on_step=reporter.step,
            stop=self._stop,
        )
        self.training_s = time.monotonic() - began

    def _rates(self) -> dict[str, float]:
        """Learning rates by prefix of parameter names; a backbone with random weights uses the rate of the heads."""
        recipe, system = self._recipe, self._system
        rates = {
            "pictures.backbone.": (system.image_encoder.backbone.origin, recipe.image_learning_rate),
            "texts.backbone.": (system.text_encoder.backbone.origin, recipe.text_learning_rate),
        }
        used = {prefix: rate for prefix, (origin, rate) in rates.items() if origin.pretrained}
        return used | ({"texts.backbone.embedding.": recipe.word_learning_rate} if recipe.word_learning_rate else {})

    def _plan(self) -> TrainingPlan:
        recipe, settings = self._recipe, self._settings
        return TrainingPlan(
            max_epochs=recipe.epochs,
            learning_rate=recipe.learning_rate,
            patience=recipe.patience,
            weight_decay=recipe.weight_decay,
            bf16=uses_bf16(self._device),
            schedule=recipe.schedule,
            warm_up=recipe.warm_up,
            average_decay=recipe.average_decay,
            accumulation=recipe.accumulation,
            save_every_epochs=settings.save_every_epochs,
            save_every_steps=settings.save_every_steps,
            batch_size=recipe.batch_size,
        )

    def _folder(self) -> RunDir:
        settings = {
            "preset": self._settings.preset,
            "recipe": _recorded(self._recipe),
            "seed": self._settings.seed,
            "catalogue": self._settings.source,
            "weights": list(self._settings.weights),
        }
        sides = {side: len(self._data.side(side)) for side in (TRAIN, VALIDATION, TEST)}
        data = {"digest": self._data.digest, "pictures": len(self._data), **sides}
        if self._settings.resume:
            return RunDir.resume(self._settings.folder, settings, data)
        return RunDir.create(self._settings.folder, settings, data, product=PRODUCT)

    def _validate(self) -> Validation:
        indices = self._data.side(VALIDATION)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._plan().bf16):
            images = torch.cat([self._embed_images(indices[i : i + _CHUNK]) for i in range(0, len(indices), _CHUNK)])
            texts = torch.cat([self._embed_captions(indices[i : i + _CHUNK]) for i in range(0, len(indices), _CHUNK)])
        owners = torch.tensor([number for number, index in enumerate(indices) for _ in self._data.captions[index]])
        score, first = recall_sum(images, texts, owners)
        return Validation(score, 0.0, first)

    def _embed_images(self, indices: list[int]) -> torch.Tensor:
        if self._pictures is None:
            given = self._system.image_encoder.inputs(self._data.pixels[indices]).to(self._device)
            return self._embed(self._learner.pictures, given)
        features = self._pictures.batch(torch.tensor(indices), torch.zeros(len(indices), dtype=torch.int64))
        return self._embed(self._learner.pictures, features.to(self._device))

    def _embed_captions(self, indices: list[int]) -> torch.Tensor:
        if self._texts is None:
            return self._embed(self._learner.texts, [text for index in indices for text in self._data.captions[index]])
        return self._embed(self._learner.texts, self._texts.batch(self._data.caption_indices(indices)).to(self._device))

    def _embed(self, part: TrainedParts, given: Features | torch.Tensor | Sequence[str]) -> torch.Tensor:
        embeddings: torch.Tensor = part(given)
        return embeddings.cpu()


def _recorded(recipe: Recipe) -> dict[str, object]:
    """The recipe for the run folder. Options newer than version 0.1 are omitted if they are off, so that older runs can be resumed."""
    recorded = asdict(recipe)
    return {name: value for name, value in recorded.items() if value or name not in {"growing", "predict_words"}}


def check_sides(data: TrainingData) -> None:
    """Raises:
    TrainingError: a side has too few pictures.
    """
    for side, least in ((TRAIN, 2), (VALIDATION, 1), (TEST, 1)):
        if len(data.side(side)) < least:
            raise TrainingError(
                "training_failed",
                f"The {side} side has {len(data.side(side))} pictures; {least} are needed.",
                remedy="Give more pictures, or another split column.",
            )
