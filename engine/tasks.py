"""Long work on a live collection: index a catalogue, train on its titles, put the new model into use. Searching goes on meanwhile."""

import logging
import shlex
import stat
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app_logic import LostFoundApp
from crossmodal.backbones.resnet import PRETRAINED, Weights
from crossmodal.errors import SourceError, TrainingError
from crossmodal.evaluation.metrics import RetrievalFigures
from crossmodal.ingest.plan import LookAgain
from crossmodal.ingest.report import IngestSummary
from crossmodal.ingest.sources.base import Source
from crossmodal.installation import COMMAND
from crossmodal.progress import OnProgress
from crossmodal.runtimes.device import resolve_device
from crossmodal.store import SourceInfo
from crossmodal.text.cleaning import counted
from datasets import SimpleIndexDataset
from engine.info import DEMO, TrainingEstimate
from engine.models.reembed import embed_missing
from engine.models.switch import Switching
from engine.models.trained import TrainedModel
from engine.retraining import (
    DatasetSplit,
    TrainingSettings,
    collect_training_data,
    describe_skipped,
    estimate_training,
    evaluate_held_out,
    fit_model,
    why_not_trained_here,
)

log = logging.getLogger(__name__)

_UNDO_S = 86_400.0

# How a folder or a file ends that was there before: nothing at the path, or nothing in it.
_AWAY = ("file_missing", "csv_no_rows", "csv_empty")


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """Settings of the background tasks.

    Attributes:
        open_source: opens the source at a path; raises SourceError.
        training: hyper-parameters of a training.
        max_pictures: maximum number of pictures of a training; larger collections are sampled by content hash.
    """

    open_source: Callable[[str], Source]
    training: TrainingSettings
    max_pictures: int


class Tasks:
    """What may take minutes, done on the collection of one app."""

    def __init__(self, app: LostFoundApp, settings: TaskSettings, switching: Switching) -> None:
        self._app = app
        self._settings = settings
        self._switching = switching

    def open(self, location: str) -> Source:
        """The catalogue at a path.

        Raises:
            SourceError: nothing usable is there; where pictures that came from there are in the collection, it says that they stay.
        """
        try:
            return self._settings.open_source(location)
        except SourceError as error:
            path = _place(location) if error.code in _AWAY else ""
            entry = next((each for each in self._app.store.sources.all() if each.items and each.location == path), None)
            if entry is None:
                raise
            raise SourceError(
                error.code,
                f"{error.message} What was read from there before stays in the collection: {counted(entry.items, 'picture')}.",
                remedy=f"Perhaps a disk is away. If they are to leave, too: {COMMAND} remove --catalogue {shlex.quote(entry.name)}",
            ) from error

    def index(
        self, location: str, on_progress: OnProgress, stop: threading.Event | None = None, *, look_again: LookAgain = "files"
    ) -> str:
        """`bring_in`, answered in words."""
        return self.bring_in(location, on_progress, stop, look_again=look_again).sentence

    def bring_in(
        self, location: str, on_progress: OnProgress, stop: threading.Event | None = None, *, look_again: LookAgain = "files"
    ) -> IngestSummary:
        """Bring the catalogue at a path into the collection. The demo catalogue leaves as soon as a person's own has come.

        Raises:
            SourceError, StoreError, Stopped: see `crossmodal.ingest.pipeline.ingest`.
        """
        source = self.open(location)
        dataset = SimpleIndexDataset(source, fetch=self._app.fetcher.fetch, max_image_bytes=self._app.limits.max_image_bytes)
        report = self._app.index_dataset(dataset, look_again=look_again, on_progress=on_progress, stop=stop)
        came = source.name != DEMO and report.indexed + report.unchanged
        return IngestSummary(report, self._remove_demo() if came else 0)

    def wants_demo(self) -> bool:
        """Whether the demo belongs into the collection: nothing of a person's own is there, and nobody emptied it."""
        begun = any(entry.name == DEMO for entry in self._app.store.sources.all())
        return not self.has_own_source() and (begun or self.is_new())

    def is_new(self) -> bool:
        """Whether nothing ever was in the collection; a first reading that was killed before it brought anything counts as none."""
        store = self._app.store
        read = any(entry.completed_at is not None for entry in store.sources.all())
        return not read and not store.items.count() and not store.changes.since("").removal_seq

    def has_own_source(self) -> bool:
        """Whether a person's own catalogue is in the collection: then the demo has made room for it."""
        return any(entry.name != DEMO and entry.items for entry in self._app.store.sources.all())

    def is_complete(self, source: Source) -> bool:
        """Whether a catalogue was read to its end and its file has not changed since; a folder is never known to be unchanged."""
        entry = next((entry for entry in self._app.store.sources.all() if entry.name == source.name), None)
        if entry is None or entry.completed_at is None:
            return False
        read_at = entry.began_at or entry.completed_at
        try:
            found = Path(source.location).stat()
        except (OSError, ValueError):  # gone, or no path at all: whoever opens it says so
            return False
        return stat.S_ISREG(found.st_mode) and found.st_mtime < read_at

    def forget_removed(self) -> int:
        """Delete for good what was removed more than a day ago: until then it can be brought back. Returns how many items."""
        return self._app.store.items.purge(_UNDO_S)

    def retry(self, on_progress: OnProgress, stop: threading.Event | None = None) -> str:
        """Try every failed row again, and only those. A catalogue that cannot be read is named in the answer; the others go on."""
        before = len(self._app.store.failures.all())
        failed = [entry for entry in self._app.store.sources.all() if entry.failures]
        unread = self._index_each(failed, on_progress, stop, look_again="failures")
        left = len(self._app.store.failures.all())
        return " ".join([f"{before - left:,} of {before:,} failed rows are in the collection now.", *unread])

    def train(self, on_progress: OnProgress, stop: threading.Event | None = None) -> str:
        """Train on the collection's own titles; the new model takes over only when it is better on held-out titles.

        Raises:
            QueryError, TrainingError, Stopped: the model in use stays in use. QueryError: the device is not available.
        """
        current = self._app.generation().model
        if (refusal := why_not_trained_here(current)) is not None:
            raise TrainingError("training_failed", refusal, remedy='Then put it into use with "use".')
        resolve_device(self._settings.training.device)  # refuse an unavailable one before the pictures are read
        data = self.training_data(on_progress, stop)
        return " ".join(filter(None, [self._train_on(data, current, on_progress, stop), describe_skipped(data.damaged)]))

    def _train_on(self, data: DatasetSplit, current: TrainedModel, on_progress: OnProgress, stop: threading.Event | None) -> str:
        before = evaluate_held_out(current.system, data.held_out)
        candidate = fit_model(
            data, current.spec, self._settings.training, weights=_start_of(current), on_progress=on_progress, stop=stop
        )
        after = candidate.card.held_out
        if after is not None and before is not None and not _better(after, before):
            return f"The present model stays: it finds {_share(before)} held-out titles among the first ten, the new one {_share(after)}."
        self.put_into_use(candidate, on_progress, stop)
        if after is None or before is None:
            return "The new model is in use. Nothing was held out, so it could not be measured."
        return f"The new model is in use: it finds {_share(after)} held-out titles among the first ten; before it was {_share(before)}."

    def rebuild(self, on_progress: OnProgress, stop: threading.Event | None = None) -> str:
        """Read every catalogue again, then train again. A catalogue that cannot be read is named in the answer; the others go on."""
        unread = self._index_each(self._app.store.sources.all(), on_progress, stop)
        return " ".join([self.train(on_progress, stop), *unread])

    def put_into_use(self, model: TrainedModel, on_progress: OnProgress, stop: threading.Event | None = None) -> None:
        """Embed the whole collection with a model, then switch to it in one moment. A stop before that leaves everything as it was.

        Of the others only the former model is kept. Raises BusyError while another process changes the model.
        """
        self._switching.run(self._switching.keep(model), on_progress, stop, drop_older=True)

    def embed_missing(self, model: TrainedModel, on_progress: OnProgress, stop: threading.Event | None = None) -> int:
        """Give every item and text that lacks one an embedding of this model; returns how many items. See `re_embedding.embed_missing`."""
        return embed_missing(model, self._app.store, self._app.encoding, on_progress, stop).made

    def training_data(self, on_progress: OnProgress, stop: threading.Event | None = None) -> DatasetSplit:
        """The collection's pictures and titles, one part held out; see `collect_training_data`."""
        return collect_training_data(self._app, self._settings.max_pictures, on_progress, stop)

    def estimate(self) -> TrainingEstimate:
        """Whether training on the collection's titles makes sense, and for how long."""
        return estimate_training(self._app, self._settings.max_pictures)

    def _index_each(
        self,
        entries: Sequence[SourceInfo],
        on_progress: OnProgress,
        stop: threading.Event | None,
        *,
        look_again: LookAgain = "files",
    ) -> list[str]:
        """What is wrong with those catalogues that cannot be read (an unplugged disk, a file being written), a sentence each."""
        unread = []
        for entry in entries:
            try:
                self.index(entry.location, on_progress, stop, look_again=look_again)
            except SourceError as error:
                log.info("%s", error.sentence)  # the answer says it, too
                unread.append(f"{entry.name:.200} was left as it is: {error.sentence}")
        return unread

    def _remove_demo(self) -> int:
        """Returns how many pictures it had."""
        if any(entry.name == DEMO for entry in self._app.store.sources.all()):
            return len(self._app.store.sources.remove(DEMO))
        return 0


def _place(location: str) -> str:
    """The whole path of a location, as catalogues keep it; what is no path at all stays as it is."""
    try:
        return str(Path(location).expanduser().resolve())
    except (OSError, RuntimeError, ValueError):
        return location


def _start_of(current: TrainedModel) -> Weights:
    """Where the present model's picture network started from: pretrained weights were left as they came, so they are still in it.

    A new model starts the same way, because the size of its pictures goes with it.
    """
    frozen = current.card.weights == PRETRAINED
    return Weights(
        current.card.weights,
        current.card.weights_note,
        current.system.image_encoder.backbone.get_submodule("network").state_dict() if frozen else None,
    )


def _better(after: RetrievalFigures, before: RetrievalFigures) -> bool:
    """Recall@10 decides; where it is equal, the mean reciprocal rank."""
    return (after.recall_at_10, after.mean_reciprocal_rank) > (before.recall_at_10, before.mean_reciprocal_rank)


def _share(figures: RetrievalFigures) -> str:
    return f"{round(figures.recall_at_10 * figures.queries):,} of {figures.queries:,}"
