"""Background work on a live collection: indexing, training and activating a model. Searching continues meanwhile."""

import logging
import shlex
import stat
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from crossmodal.backbones.everyday import NAME as BUILT_IN
from crossmodal.backbones.resnet import PRETRAINED, Weights
from crossmodal.errors import SourceError, TrainingError
from crossmodal.evaluation.metrics import RetrievalFigures
from crossmodal.hub.download import download
from crossmodal.ingest.plan import LookAgain
from crossmodal.ingest.report import IngestSummary
from crossmodal.ingest.sources.base import Source
from crossmodal.installation import COMMAND
from crossmodal.progress import DOWNLOAD, OnProgress, Progress, check_stop
from crossmodal.runtimes.device import resolve_device
from crossmodal.store import SourceInfo
from crossmodal.text.cleaning import counted
from datasets import LostFoundDataset, SimpleIndexDataset
from engine.core import SearchEngine
from engine.info import DEMO, TrainingEstimate, model_name
from engine.models.published import PublishedState, build_published, measure_speed, published_states
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
_DEMO_TRAINED = "the demo's model was trained"

# Codes of a source that existed before: there is nothing at its path, or nothing in it.
_MISSING = ("file_missing", "csv_no_rows", "csv_empty")


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """Settings of the background tasks.

    Attributes:
        open_source: opens the source at a path; raises SourceError.
        training: hyper-parameters of a training.
        max_pictures: maximum number of pictures of a training; larger collections are sampled by content hash.
        weights_dir: folder of downloaded weights; None means `weights` in the folder of the collection.
        built_in: makes the built-in model, which knows everyday words; None where there is none.
        fit_demo: trains a model on the demo catalogue; returns it with the held-out pictures at a given side. None where it cannot.
    """

    open_source: Callable[[str], Source]
    training: TrainingSettings
    max_pictures: int
    weights_dir: Path | None = None
    built_in: Callable[[], TrainedModel | None] = lambda: None
    fit_demo: Callable[[int, OnProgress, threading.Event | None], tuple[TrainedModel, LostFoundDataset]] | None = None


class Tasks:
    """Tasks on the collection of one app that may take minutes."""

    def __init__(self, app: SearchEngine, settings: TaskSettings, switching: Switching) -> None:
        self._app = app
        self._settings = settings
        self._switching = switching

    def open(self, location: str) -> Source:
        """Open the source at a path.

        Raises:
            SourceError: the path has no usable source; if the collection has pictures from it, the message says that they stay.
        """
        try:
            return self._settings.open_source(location)
        except SourceError as error:
            path = _full_path(location) if error.code in _MISSING else ""
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
        """`bring_in`; returns its summary as a sentence."""
        return self.bring_in(location, on_progress, stop, look_again=look_again).sentence

    def bring_in(
        self, location: str, on_progress: OnProgress, stop: threading.Event | None = None, *, look_again: LookAgain = "files"
    ) -> IngestSummary:
        """Index the source at a path. The demo catalogue is removed as soon as another source has pictures.

        Args:
            look_again: which unchanged rows are read again, see `crossmodal.ingest.pipeline.ingest`.

        Raises:
            SourceError, StoreError, Stopped: see `crossmodal.ingest.pipeline.ingest`.
        """
        source = self.open(location)
        if source.name != DEMO:
            self._leave_demo_model(on_progress, stop)
        dataset = SimpleIndexDataset(source, fetch=self._app.fetcher.fetch, max_image_bytes=self._app.limits.max_image_bytes)
        report = self._app.index_dataset(dataset, look_again=look_again, on_progress=on_progress, stop=stop)
        replaces_demo = source.name != DEMO and report.indexed + report.unchanged
        return IngestSummary(report, self._remove_demo() if replaces_demo else 0)

    def _leave_demo_model(self, on_progress: OnProgress, stop: threading.Event | None) -> None:
        """Switch to the built-in model if the active one knows nothing but the demo."""
        if self._app.generation().model.card.catalogue != DEMO:
            return
        model = self._settings.built_in()
        if model is not None:
            self._switching.run(self._switching.keep(model), on_progress, stop)

    def wants_demo_model(self) -> bool:
        """Whether a model is still to be trained on the demo: the built-in one serves it, and this was not done before."""
        store = self._app.store
        serves = self._app.generation().model.spec.preset == BUILT_IN and not self.has_own_source()
        return serves and self._settings.fit_demo is not None and store.meta.get(_DEMO_TRAINED) != "yes"

    def train_demo(self, on_progress: OnProgress, stop: threading.Event | None = None) -> str:
        """Train a model on the demo catalogue and activate it if it is better there. Returns a summary; empty if there is nothing to do.

        Raises:
            TrainingError, Stopped. The active model stays active.
        """
        if self._settings.fit_demo is None or not self.wants_demo_model():
            return ""
        current = self._app.generation().model
        candidate, held_out = self._settings.fit_demo(current.spec.image_size_px, on_progress, stop)
        before, after = evaluate_held_out(current.system, held_out), candidate.card.held_out
        said = "The model trained on the demo is no better there than the built-in one, which stays."
        if after is None or before is None or _better(after, before):
            said = self._switching.run(self._switching.keep(candidate), on_progress, stop)
        self._app.store.meta.set(_DEMO_TRAINED, "yes")
        return said

    def wants_demo(self) -> bool:
        """Whether the demo belongs in the collection: it has no other source, and the user did not empty it."""
        has_demo = any(entry.name == DEMO for entry in self._app.store.sources.all())
        return not self.has_own_source() and (has_demo or self.is_new())

    def is_new(self) -> bool:
        """Whether the collection never had an item. A first indexing that was killed before its first item does not count."""
        store = self._app.store
        read = any(entry.completed_at is not None for entry in store.sources.all())
        return not read and not store.items.count() and not store.changes.since("").removal_seq

    def has_own_source(self) -> bool:
        """Whether a source other than the demo has items."""
        return any(entry.name != DEMO and entry.items for entry in self._app.store.sources.all())

    def is_complete(self, source: Source) -> bool:
        """Whether a source was indexed completely and its file has not changed since; False for a folder, whose changes are unknown."""
        entry = next((entry for entry in self._app.store.sources.all() if entry.name == source.name), None)
        if entry is None or entry.completed_at is None:
            return False
        read_at = entry.began_at or entry.completed_at
        try:
            found = Path(source.location).stat()
        except (OSError, ValueError):  # missing or not a path: opening it reports the problem
            return False
        return stat.S_ISREG(found.st_mode) and found.st_mtime < read_at

    def forget_removed(self) -> int:
        """Purge the items that were removed more than a day ago and can no longer be restored. Returns their number."""
        return self._app.store.items.purge(_UNDO_S)

    def retry(self, on_progress: OnProgress, stop: threading.Event | None = None) -> str:
        """Index the failed rows again. Returns a summary, which names the sources that cannot be read."""
        before = len(self._app.store.failures.all())
        failed = [entry for entry in self._app.store.sources.all() if entry.failures]
        unread = self._index_each(failed, on_progress, stop, look_again="failures")
        left = len(self._app.store.failures.all())
        return " ".join([f"{before - left:,} of {before:,} failed rows are in the collection now.", *unread])

    def train(self, on_progress: OnProgress, stop: threading.Event | None = None) -> str:
        """Train on the titles of the collection; the new model is activated only if it is better on held-out titles.

        Returns:
            A summary of the result.

        Raises:
            QueryError: the device is not available. TrainingError, Stopped. The active model stays active.
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
        """Index all sources again, then train. Returns a summary, which names the sources that cannot be read."""
        unread = self._index_each(self._app.store.sources.all(), on_progress, stop)
        return " ".join([self.train(on_progress, stop), *unread])

    def put_into_use(self, model: TrainedModel, on_progress: OnProgress, stop: threading.Event | None = None) -> None:
        """Embed the collection with a model, then switch to it atomically. Only the previous model is kept besides.

        Raises:
            BusyError: another process is changing the model. Stopped: nothing was changed.
        """
        self._switching.run(self._switching.keep(model), on_progress, stop, drop_older=True)

    @property
    def weights_dir(self) -> Path:
        """Folder of downloaded weights."""
        return self._settings.weights_dir or self._app.store.path.with_name("weights")

    def use_published(
        self, repository: str, on_progress: OnProgress, stop: threading.Event | None = None, *, folder: Path | None = None
    ) -> str:
        """Download a published model if it is not here, time it, embed the collection with it, and switch to it. Returns a summary.

        Args:
            repository: `organisation/name` on the hub.
            folder: where its files already are; None downloads what is missing.

        Raises:
            WeightsError: it cannot be fetched or its files are not usable. BusyError: another program downloads it or switches the model.
            Stopped: what has arrived, and each embedding that was made, is kept.
        """
        if folder is None:
            download(repository, self.weights_dir, on_progress=on_progress, stop=stop)
        on_progress(Progress(DOWNLOAD, f"Loading {repository}"))
        model = self._switching.keep(build_published(repository, self.weights_dir, folder=folder))
        if model.model_id == self._app.generation().model.model_id:
            return f"{model_name(model)} is in use already."
        check_stop(stop, "Switching the model")
        measure_speed(model, self._app.store, repository)
        return self._switching.run(model, on_progress, stop)

    def published(self) -> list[PublishedState]:
        """The published models and how each stands on this computer."""
        return published_states(self.weights_dir, self._app.store, active_preset=self._app.generation().model.spec.preset)

    def embed_missing(self, model: TrainedModel, on_progress: OnProgress, stop: threading.Event | None = None) -> int:
        """Compute the missing embeddings of items and texts; returns the number of items. See `engine.models.reembed.embed_missing`."""
        return embed_missing(model, self._app.store, self._app.encoding, on_progress, stop).made

    def training_data(self, on_progress: OnProgress, stop: threading.Event | None = None) -> DatasetSplit:
        """The collection's pictures and titles, split for training and evaluation; see `collect_training_data`."""
        return collect_training_data(self._app, self._settings.max_pictures, on_progress, stop)

    def estimate(self) -> TrainingEstimate:
        """Whether training on the collection's titles is worthwhile, and its estimated duration; see `estimate_training`."""
        return estimate_training(self._app, self._settings.max_pictures)

    def _index_each(
        self,
        entries: Sequence[SourceInfo],
        on_progress: OnProgress,
        stop: threading.Event | None,
        *,
        look_again: LookAgain = "files",
    ) -> list[str]:
        """Index sources again; returns a sentence for each that cannot be read (a disconnected disk, a file being written)."""
        unread = []
        for entry in entries:
            try:
                self.index(entry.location, on_progress, stop, look_again=look_again)
            except SourceError as error:
                log.info("%s", error.sentence)  # also in the summary
                unread.append(f"{entry.name:.200} was left as it is: {error.sentence}")
        return unread

    def _remove_demo(self) -> int:
        """Remove the demo catalogue, if it is there; returns the number of its pictures."""
        if any(entry.name == DEMO for entry in self._app.store.sources.all()):
            return len(self._app.store.sources.remove(DEMO))
        return 0


def _full_path(location: str) -> str:
    """The absolute path of a location as stored in the sources; unchanged if it is not a path."""
    try:
        return str(Path(location).expanduser().resolve())
    except (OSError, RuntimeError, ValueError):
        return location


def _start_of(current: TrainedModel) -> Weights:
    """The initial weights of a new model: those of the current one, because its picture size depends on them.

    Pretrained weights of the image network stay frozen in training, so they are taken from the current model.
    """
    frozen = current.card.weights == PRETRAINED
    return Weights(
        current.card.weights,
        current.card.weights_note,
        current.system.image_encoder.backbone.get_submodule("network").state_dict() if frozen else None,
    )


def _better(after: RetrievalFigures, before: RetrievalFigures) -> bool:
    """Whether recall@10 is higher or, if equal, the mean reciprocal rank."""
    return (after.recall_at_10, after.mean_reciprocal_rank) > (before.recall_at_10, before.mean_reciprocal_rank)


def _share(figures: RetrievalFigures) -> str:
    return f"{round(figures.recall_at_10 * figures.queries):,} of {figures.queries:,}"
