"""One training run: two towers, pictures with captions and a recipe in; trained weights, a history and a run folder out."""

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
_PART = 64


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Options of a training run.

    Attributes:
        folder: the run folder.
        cache: where frozen features are kept, for this run and later ones.
        source: what the data is called.
        preset, weights: name of the preset, and where its weights came from: written into the run folder.
        save_every_epochs, save_every_steps: see `TrainingPlan`.
        resume: go on with the run in the folder.
        device: a name among `crossmodal.runtimes.device.DEVICES`. A run that is resumed on another device goes on to other numbers.
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
    """The history of a run, and how long it took. `training_seconds` leaves out `encoding_seconds`."""

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
    """Train `system` in place and leave it with the best weights by the validation side's recall sum.

    Raises:
        TrainingError: the folder holds a run already, a setting changed since it was begun, a side has too few pictures, or the training
            cannot go on. Stopped.
    """
    run = _Run(system, data, settings, resolve_device(settings.device), on_progress, stop)
    with freed_memory_kept(), torch_threads(ALL_THREADS):
        run.encode()
        run.train()
    return RunOutcome(tuple(run.history), run.encoding_s, run.training_s)


class _Run:
    """The parts of one run, put together."""

    def __init__(
        self,
        system: TwoTowers,
        data: TrainingData,
        settings: RunSettings,
        device: torch.device,
        on_progress: OnProgress,
        stop: threading.Event | None,
    ) -> None:
        need_sides(data)
        seed_everything(settings.seed)
        self._data, self._settings = data, settings
        self._device, self._told, self._stop = device, on_progress, stop
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
        """What is encoded once; None on a side that learns from its pixels or words."""
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
        """Encode what is frozen."""
        began = time.monotonic()
        for side in (self._pictures, self._texts):
            if side is not None and self._recipe.epochs:
                side.encode(self._told, self._stop)
                side.ready()
        self.encoding_s = time.monotonic() - began

    def train(self) -> None:
        """The loop over the epochs; nothing is done for a recipe of none."""
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
        course = TrainingTask(batches.sampler.steps_per_epoch, batches.epoch, learner, self._validate)
        pace = ProgressReporter(self._told, recipe.epochs)
        self.history = train(
            learner,
            plan,
            course,
            optimizer,
            folder=self._folder(),
            on_epoch=pace.epoch,
            on_step=pace.step,
            stop=self._stop,
        )
        self.training_s = time.monotonic() - began

    def _rates(self) -> dict[str, float]:
        """Rates by parts; a backbone from random weights learns as fast as the heads."""
        recipe, system = self._recipe, self._system
        rates = {
            "pictures.backbone.": (system.image_encoder.backbone.origin, recipe.image_learning_rate),
            "texts.backbone.": (system.text_encoder.backbone.origin, recipe.text_learning_rate),
        }
        chosen = {prefix: rate for prefix, (origin, rate) in rates.items() if origin.pretrained}
        return chosen | ({"texts.backbone.embedding.": recipe.word_learning_rate} if recipe.word_learning_rate else {})

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
        said = {
            "preset": self._settings.preset,
            "recipe": _written(self._recipe),
            "seed": self._settings.seed,
            "catalogue": self._settings.source,
            "weights": list(self._settings.weights),
        }
        sides = {side: len(self._data.side(side)) for side in (TRAIN, VALIDATION, TEST)}
        data = {"digest": self._data.digest, "pictures": len(self._data), **sides}
        if self._settings.resume:
            return RunDir.resume(self._settings.folder, said, data)
        return RunDir.create(self._settings.folder, said, data, product=PRODUCT)

    def _validate(self) -> Validation:
        places = self._data.side(VALIDATION)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._plan().bf16):
            images = torch.cat([self._look(places[i : i + _PART]) for i in range(0, len(places), _PART)])
            texts = torch.cat([self._read(places[i : i + _PART]) for i in range(0, len(places), _PART)])
        owners = torch.tensor([number for number, place in enumerate(places) for _ in self._data.captions[place]])
        score, first = recall_sum(images, texts, owners)
        return Validation(score, 0.0, first)

    def _look(self, places: list[int]) -> torch.Tensor:
        if self._pictures is None:
            given = self._system.image_encoder.inputs(self._data.pixels[places]).to(self._device)
            return self._embedded(self._learner.pictures, given)
        found = self._pictures.batch(torch.tensor(places), torch.zeros(len(places), dtype=torch.int64))
        return self._embedded(self._learner.pictures, found.to(self._device))

    def _read(self, places: list[int]) -> torch.Tensor:
        if self._texts is None:
            return self._embedded(self._learner.texts, [text for place in places for text in self._data.captions[place]])
        return self._embedded(self._learner.texts, self._texts.batch(self._data.text_places(places)).to(self._device))

    def _embedded(self, part: TrainedParts, given: Features | torch.Tensor | Sequence[str]) -> torch.Tensor:
        embeddings: torch.Tensor = part(given)
        return embeddings.cpu()


def _written(recipe: Recipe) -> dict[str, object]:
    """The recipe for the run folder; what version 0.1 did not have is left out where it is not used, so that its runs can be resumed."""
    written = asdict(recipe)
    return {name: value for name, value in written.items() if value or name not in {"growing", "predict_words"}}


def need_sides(data: TrainingData) -> None:
    """Raises:
    TrainingError: a side has too few pictures to learn from, to choose by, or to measure on.
    """
    for side, least in ((TRAIN, 2), (VALIDATION, 1), (TEST, 1)):
        if len(data.side(side)) < least:
            raise TrainingError(
                "training_failed",
                f"The {side} side has {len(data.side(side))} pictures; {least} are needed.",
                remedy="Give more pictures, or another split column.",
            )
