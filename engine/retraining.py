"""Train the default model: on the demo catalogue at the first start, and on a collection's own titles later."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from crossmodal.backbones.everyday import NAME as BUILT_IN
from crossmodal.backbones.resnet import Weights
from crossmodal.errors import PictureError, QueryError, StoreError, TrainingError
from crossmodal.evaluation.metrics import RetrievalFigures
from crossmodal.installation import COMMAND
from crossmodal.items import Item, Picture, Pixels
from crossmodal.progress import OnProgress, Progress, check_stop
from crossmodal.runtimes.device import resolve_device, uses_bf16
from crossmodal.runtimes.torch import ALL_THREADS, freed_memory_kept, torch_threads
from crossmodal.store import Store
from crossmodal.text.cleaning import counted, were
from crossmodal.training.plan import EpochFigures, TrainingPlan
from datasets import LostFoundDataset, held_out_hashes
from engine.core import SearchEngine
from engine.info import DEMO, TrainingEstimate, source_infos
from engine.models.spec import DEFAULT_PRESET, ModelCard, ModelSpec
from engine.models.trained import TrainedModel, build_untrained
from system import LostFoundSystem, evaluate_titles, minimal_train_model
from training.presets import growing_sizes


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """Hyper-parameters of this installation's trainings of the default model; see `TrainingPlan` and `minimal_train_model`.

    Attributes:
        growing: whether an image network with random weights starts on smaller pictures, see `training.presets.growing_sizes`.
        device: one of `crossmodal.runtimes.device.DEVICES`.
    """

    max_epochs: int
    batch_size: int
    learning_rate: float
    patience: int
    seed: int
    growing: bool = True
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class DatasetSplit:
    """Pictures with texts, split for training and evaluation.

    Attributes:
        train: what a model is trained on; validation pictures are split off from it.
        held_out: never trained on; a model is evaluated on it.
        source: the name of the data.
        damaged: number of pictures that were skipped because their stored copy is damaged.
    """

    train: LostFoundDataset
    held_out: LostFoundDataset
    source: str
    damaged: int = 0


def describe_skipped(damaged: int) -> str:
    """A sentence about the number of skipped pictures; empty if there are none."""
    if not damaged:
        return ""
    return f"{counted(damaged, 'damaged picture')} {were(damaged)} left out."


def fit_model(
    data: DatasetSplit,
    spec: ModelSpec,
    settings: TrainingSettings,
    *,
    weights: Weights,
    on_progress: OnProgress,
    stop: threading.Event | None = None,
) -> TrainedModel:
    """Train a new model and evaluate it on the held-out pictures. With ImageNet weights, the image network stays frozen.

    Returns:
        The model, on the CPU and not saved yet.

    Raises:
        QueryError: the device is not available.
        TrainingError: there are too few pictures, or the loss is not finite.
        Stopped: `stop` was set.
    """
    device = resolve_device(settings.device)
    system = build_untrained(spec, weights=weights, seed=settings.seed)
    started = time.monotonic()
    frozen = weights.state is not None
    side, epochs = spec.image_size_px, settings.max_epochs
    sizes = growing_sizes(side, epochs) if settings.growing and not frozen else [side] * epochs
    reporter = _Reporter(on_progress, sizes, started)
    with freed_memory_kept(), torch_threads(ALL_THREADS):
        history = minimal_train_model(
            system.to(device),
            data.train,
            plan=TrainingPlan(epochs, settings.learning_rate, settings.patience, bf16=uses_bf16(device)),
            batch_size=settings.batch_size,
            seed=settings.seed,
            sizes=sizes,
            frozen_backbone=frozen,
            on_epoch=reporter.epoch,
            on_step=reporter.step,
            stop=stop,
        )
    system.cpu()
    card = ModelCard(
        weights=weights.name,
        weights_note=weights.note,
        catalogue=data.source,
        trained_on=len(data.train),
        trained_at=time.time(),
        training_seconds=time.monotonic() - started,
        held_out=evaluate_held_out(system, data.held_out),
        history=tuple(history),
    )
    return TrainedModel(system, spec, card, model_id="")


def evaluate_held_out(system: LostFoundSystem, held_out: LostFoundDataset) -> RetrievalFigures | None:
    """Text → image among all held-out pictures; None if there are none."""
    return evaluate_titles(system, held_out) if len(held_out) else None


class _Reporter:
    """Reports steps and epochs as progress, with an estimate of the remaining time.

    A step on pictures of half the side takes about half the time: the network costs a quarter, the optimiser the same.

    Args:
        sizes: side of the pictures in each epoch, in pixels.
        started: start of the training on `time.monotonic`.
    """

    def __init__(self, on_progress: OnProgress, sizes: Sequence[int], started: float) -> None:
        self._on_progress = on_progress
        self._costs = list(sizes)
        self._max_epochs = len(sizes)
        self._started = started
        self._epoch = 0
        self._seconds_left: float | None = None

    def step(self, done: int, total: int) -> None:
        """Report a step; `done` and `total` count those of all epochs."""
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
        """Report an epoch with its figures."""
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
_PAGE = 64
_MAX_LOGGED = 20  # damaged items


def collect_training_data(
    app: SearchEngine, max_pictures: int, on_progress: OnProgress, stop: threading.Event | None = None
) -> DatasetSplit:
    """The collection's pictures with titles, split by the source's own mark if it has one, else by content hash.

    Pictures whose stored copy is damaged are skipped and counted.

    Args:
        max_pictures: maximum number of pictures; larger collections are sampled by content hash.

    Raises:
        TrainingError: there are fewer than 50 pictures with titles. Stopped: `stop` was set.
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
        log.warning("%s Their items: %s", describe_skipped(len(damaged)), ", ".join(map(str, damaged[:_MAX_LOGGED])))
        on_progress(Progress("model", describe_skipped(len(damaged))))
    if len(everything) < MIN_PICTURES:
        raise TrainingError(
            "training_failed",
            f"There are {len(everything)} pictures with titles; training needs {MIN_PICTURES}. {describe_skipped(len(damaged))}".strip(),
            remedy="Add more pictures with titles.",
        )
    held_out = marked | held_out_hashes(drawn_by_hash, HELD_OUT_SHARE, salt="held out")
    sides = [content in held_out for content in everything.content_hashes]
    return DatasetSplit(
        train=everything.subset([i for i, held in enumerate(sides) if not held]),
        held_out=everything.subset([i for i, held in enumerate(sides) if held]),
        source=", ".join(entry.name for entry in source_infos(app.store)),
        damaged=len(damaged),
    )


def estimate_training(app: SearchEngine, max_pictures: int) -> TrainingEstimate:
    """Whether training on the collection's titles is worthwhile, and its duration, extrapolated from the last training."""
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
    if (refusal := why_not_trained_here(app.generation().model)) is not None:
        return TrainingEstimate(pictures, seconds, worthwhile=False, reason=refusal)
    reason = f"{own:,} pictures here are not from the demo catalogue."
    return TrainingEstimate(pictures, seconds, worthwhile=True, reason=reason)


def why_not_trained_here(model: TrainedModel) -> str | None:
    """The reason why the background training does not support a model's preset; None if it does."""
    if model.spec.preset == DEFAULT_PRESET:
        return None
    if model.spec.preset == BUILT_IN:  # has nothing to train
        train = f"{COMMAND} train --preset {DEFAULT_PRESET}"
        return f"The built-in model is used as it is; a model of your titles is trained on the command line: {train}"
    return (
        f"The model in use is {model.spec.preset}; it is trained on the command line: {COMMAND} train --preset {model.spec.preset}"
    )


def _titled_pictures(
    app: SearchEngine,
    size: int,
    max_pictures: int,
    on_damaged: Callable[[int], None],
    on_progress: OnProgress,
    stop: threading.Event | None,
) -> Iterator[tuple[Item, Picture]]:
    """Items with a title or captions, each with its decoded picture; a sample by content hash if there are too many.

    Args:
        size: side of the pictures in pixels.
        on_damaged: called with the id of each item whose stored picture is damaged.
    """
    total = app.store.items.count()
    share = min(1.0, max_pictures / max(total, 1))
    for done, item in enumerate(_items(app.store), start=1):
        check_stop(stop, "Training")
        if done % _PAGE == 0:
            on_progress(Progress("model", "Reading the collection's pictures", done=done, total=total))
        if not (item.title or item.captions) or int(item.content_hash[:8], 16) >= share * 16**8:
            continue
        try:
            picture = app.decoder.decode(app.store.pictures.rendition(item.item_id), square_px=size)
        except QueryError:  # removed in the meantime
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
    """All items ordered by id. `Pictures.samples` is not used because it stops at the first damaged picture."""
    after_id: int | None = None
    while page := store.items.page(_PAGE, after_id):
        yield from page
        after_id = page[-1].item_id
