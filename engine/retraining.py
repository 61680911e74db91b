"""From pictures and titles to a trained model with honest figures: the one road for the first start and for every training after it."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from app_logic import LostFoundApp
from crossmodal.backbones.resnet import Weights
from crossmodal.errors import PictureError, QueryError, StoreError, TrainingError
from crossmodal.evaluation.metrics import RetrievalFigures
from crossmodal.installation import COMMAND
from crossmodal.items import Item, Picture, Pixels
from crossmodal.progress import OnProgress, Progress, check_stop
from crossmodal.runtimes.torch import ALL_THREADS, freed_memory_kept, has_bf16, torch_threads
from crossmodal.store import Store
from crossmodal.text.cleaning import counted, were
from crossmodal.training.plan import EpochFigures, TrainingPlan
from datasets import LostFoundDataset, held_out_hashes
from engine.info import DEMO, TrainingEstimate, source_infos
from engine.models.spec import DEFAULT_PRESET, ModelCard, ModelSpec
from engine.models.trained import TrainedModel, build_untrained
from system import LostFoundSystem, evaluate_titles, minimal_train_model
from training.presets import growing_sizes


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How this installation trains: see `TrainingPlan` and `minimal_train_model`.

    Attributes:
        growing: whether a picture network with random weights begins on smaller pictures, see `training.presets.growing_sizes`.
    """

    max_epochs: int
    batch_size: int
    learning_rate: float
    patience: int
    seed: int
    growing: bool = True


@dataclass(frozen=True, slots=True)
class Material:
    """What to learn from and what to be measured on.

    Attributes:
        held_out: never trained on, in whatever way the rest is split.
        damaged: how many pictures were left out because they are stored damaged; `left_out` says so.
    """

    train: LostFoundDataset
    held_out: LostFoundDataset
    source: str
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
    frozen = weights.state is not None
    side, epochs = spec.image_size_px, settings.max_epochs
    sizes = growing_sizes(side, epochs) if settings.growing and not frozen else [side] * epochs
    watch = _Watch(on_progress, sizes, started)
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
        catalogue=material.source,
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


log = logging.getLogger(__name__)

HELD_OUT_SHARE = 0.2
MIN_PICTURES = 50
_AT_ONCE = 64
_NAMED = 20  # damaged items that the log names


def gathered(app: LostFoundApp, max_pictures: int, on_progress: OnProgress, stop: threading.Event | None = None) -> Material:
    """The collection's pictures and titles, one part held out: by the catalogue's own mark where it has one, by hash elsewhere.

    A stored picture that is damaged is left out and counted: one of thousands is no reason not to learn from the others.

    Args:
        max_pictures: most pictures that are looked at; more are sampled by hash.

    Raises:
        TrainingError: fewer than 50 pictures with titles. Stopped: `stop` was set.
    """
    size = app.generation().model.spec.image_size_px
    marked: set[str] = set()
    drawn_by_hash: list[str] = []
    damaged: list[int] = []

    def triples() -> Iterator[tuple[Pixels, tuple[str, ...], str]]:
        for item, picture in _titled_pictures(app, size, max_pictures, damaged.append, on_progress, stop):
            if item.held_out:
                marked.add(item.content_hash)
            elif item.source != DEMO:
                drawn_by_hash.append(item.content_hash)
            yield picture.pixels, item.captions or (item.title,), item.content_hash

    everything = LostFoundDataset.collect(triples())
    if damaged:
        log.warning("%s Their items: %s", left_out(len(damaged)), ", ".join(map(str, damaged[:_NAMED])))
        on_progress(Progress("model", left_out(len(damaged))))
    if len(everything) < MIN_PICTURES:
        raise TrainingError(
            "training_failed",
            f"There are {len(everything)} pictures with titles; training needs {MIN_PICTURES}. {left_out(len(damaged))}".strip(),
            remedy="Add more pictures with titles.",
        )
    held_out = marked | held_out_hashes(drawn_by_hash, HELD_OUT_SHARE, salt="held out")
    sides = [content in held_out for content in everything.content_hashes]
    return Material(
        train=everything.subset([i for i, held in enumerate(sides) if not held]),
        held_out=everything.subset([i for i, held in enumerate(sides) if held]),
        source=", ".join(entry.name for entry in source_infos(app.store)),
        damaged=len(damaged),
    )


def estimated(app: LostFoundApp, max_pictures: int) -> TrainingEstimate:
    """Whether training on the collection's titles makes sense, and for how long; from the speed of the last training here."""
    card = app.generation().model.card
    pictures = min(app.store.items.count(), max_pictures)
    seconds = card.training_seconds * pictures / max(card.trained_on, 1)
    own = pictures - app.store.items.count(source=DEMO)
    if pictures < MIN_PICTURES:
        reason = f"Training needs at least {MIN_PICTURES} pictures with titles."
        return TrainingEstimate(pictures, seconds, worthwhile=False, reason=reason)
    if own <= 0:
        reason = "The model was trained on this demo catalogue already."
        return TrainingEstimate(pictures, seconds, worthwhile=False, reason=reason)
    if (elsewhere := trained_elsewhere(app.generation().model)) is not None:
        return TrainingEstimate(pictures, seconds, worthwhile=False, reason=elsewhere)
    reason = f"{own:,} pictures here are not from the demo catalogue."
    return TrainingEstimate(pictures, seconds, worthwhile=True, reason=reason)


def trained_elsewhere(model: TrainedModel) -> str | None:
    """Why a model is not trained in the background of the page; None where it is."""
    if model.spec.preset == DEFAULT_PRESET:
        return None
    return (
        f"The model in use is {model.spec.preset}; it is trained on the command line: {COMMAND} train --preset {model.spec.preset}"
    )


def _titled_pictures(
    app: LostFoundApp,
    size: int,
    max_pictures: int,
    on_damaged: Callable[[int], None],
    on_progress: OnProgress,
    stop: threading.Event | None,
) -> Iterator[tuple[Item, Picture]]:
    """Items with words, each with its stored picture decoded once; a sample by hash when there are too many.

    Args:
        on_damaged: called with the number of an item whose stored picture is not what was written, or is no picture.
    """
    total = app.store.items.count()
    share = min(1.0, max_pictures / max(total, 1))
    for done, item in enumerate(_items(app.store), start=1):
        check_stop(stop, "Training")
        if done % _AT_ONCE == 0:
            on_progress(Progress("model", "Reading the collection's pictures", done=done, total=total))
        if not (item.title or item.captions) or int(item.content_hash[:8], 16) >= share * 16**8:
            continue
        try:
            picture = app.decoder.decode(app.store.pictures.rendition(item.item_id), square_px=size)
        except QueryError:  # removed since its page was read
            continue
        except PictureError:
            on_damaged(item.item_id)
        except StoreError as error:
            if error.code != "index_corrupt":
                raise
            on_damaged(item.item_id)
        else:
            yield item, picture


def _items(store: Store) -> Iterator[Item]:
    """Every item by its id, page by page; `Pictures.samples` would end at the first damaged picture."""
    after_id: int | None = None
    while page := store.items.page(_AT_ONCE, after_id):
        yield from page
        after_id = page[-1].item_id
