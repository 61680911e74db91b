"""Index a source into the collection: read and decode ahead, encode in batches, commit each batch."""

import hashlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from crossmodal.errors import CrossmodalError
from crossmodal.ingest.commit import Batches, Encode, EncodeTexts, EncodeTitled
from crossmodal.ingest.picture_loader import host_of
from crossmodal.ingest.plan import Decoded, LookAgain, Outcome, Plan, Task, Unchanged
from crossmodal.ingest.report import IngestReport, Tally
from crossmodal.ingest.sources.base import Source
from crossmodal.ingest.workers import PerHostPool
from crossmodal.items import Failure, Fit, Picture, SourceRow
from crossmodal.progress import OnProgress, Stopped, ignore_progress
from crossmodal.store import Store


class Decodes(Protocol):
    """Decodes bytes to a picture; thread-safe."""

    def decode(self, data: bytes, *, square_px: int, fit: Fit = "crop") -> Picture: ...


class PictureTask:
    """Processes a task to its outcome.

    A `CrossmodalError` becomes a `Failure`; any other exception is a bug and propagates.

    Args:
        load: returns the bytes of a row's picture.
        square_px, fit: side of the model's input, and how a picture becomes it.
        source: name of the source, for failures.
    """

    def __init__(
        self, load: Callable[[SourceRow], bytes], decoder: Decodes, *, square_px: int, fit: Fit = "crop", source: str
    ) -> None:
        self._load = load
        self._decoder = decoder
        self._square_px, self._fit = square_px, fit
        self._source = source

    def __call__(self, task: Task) -> Outcome:
        """Return `Unchanged` if the collection has exactly these bytes under this key, otherwise `Decoded` or `Failure`."""
        known = task.known
        try:
            data = self._load(task.row)
            if known is not None and known.embedded and hashlib.sha256(data).hexdigest() == known.item.content_hash:
                return Unchanged(task, restore=known.removed)
            return Decoded(task, self._decoder.decode(data, square_px=self._square_px, fit=self._fit))
        except CrossmodalError as error:
            return Failure(
                key=task.key,
                source=self._source,
                location=task.row.location,
                title=task.row.title,
                code=error.code,
                reason=error.message,
                remedy=error.remedy,
            )


_PER_HOST = 2
# Batches decoded ahead of the one being encoded.
_AHEAD = 3
# Pictures of a slow source are committed after this time instead of waiting for a full batch.
_LONGEST_WAIT_S = 2.0
# How often a stop request is checked while nothing else happens.
_PATIENCE_S = 0.1


def ingest(
    source: Source,
    *,
    load: Callable[[SourceRow], bytes],
    decoder: Decodes,
    encode: Encode,
    store: Store,
    model_id: str,
    square_px: int,
    fit: Fit = "crop",
    encode_texts: EncodeTexts | None = None,
    encode_titled: EncodeTitled | None = None,
    look_again: LookAgain = "files",
    batch_size: int = 32,
    threads: int = 8,
    on_progress: OnProgress = ignore_progress,
    stop: threading.Event | None = None,
) -> IngestReport:
    """Index a source: each row ends indexed, or as a failure with a reason.

    Each batch is committed separately, and a row already in the collection with the same picture is not encoded again, so running again
    resumes a run that was stopped or killed. A new row whose image hash an item of another source has joins that item, and its words are
    joined to the item's. At the end, a removed row and a new row with the same image hash are treated as a rename, and the item stays the
    same; so does the item of a source that no longer exists (a moved folder, a renamed table). Other items with no row left are removed;
    they return with the row. Rows in a part that could not be read do not count as removed. If an indexed row fails, its last good picture
    stays. Rows of items removed by the user are skipped.

    Args:
        load: returns the bytes of a row's picture; called from several threads, like `decoder`.
        encode: maps (n, square_px, square_px, 3) uint8 to (n, embed_dim) float32, unit length; called from this thread only.
        model_id: id of the model behind `encode`.
        square_px, fit: side of its input, and how a picture becomes it.
        encode_texts: maps the texts of a batch to embeddings of the same model, without those it cannot encode. None encodes no texts.
        encode_titled: used instead of `encode` by a model that also reads titles. If only a title changed, the embedding is dropped and the
            caller recomputes it.
        look_again: which rows already in the collection are checked again. `files`: rows with files, for changes of the file; URLs are not
            fetched again. `failures`: only rows that failed last time. `everything`: all. A set of row keys: those, and rows that failed
            last time.
        batch_size: pictures encoded and committed together.
        threads: pictures read and decoded concurrently, at most two from one host.

    Raises:
        Stopped: `stop` was set before the end. Pictures already in a batch are committed.
        SourceError: the source as a whole cannot be read. Batches committed before stay; nothing is removed.
        StoreError, BusyError: the collection cannot be written. Batches committed before stay.
    """
    began_at = time.time()
    store.sources.put(source.name, kind=source.kind, location=source.location)
    tally = Tally(source.survey(), on_progress)
    failed = frozenset(failure.key for failure in store.failures.all(source.name))
    plan = Plan(source, store, model_id=model_id, look_again=look_again, failed=failed)
    looking = PictureTask(load, decoder, square_px=square_px, fit=fit, source=source.name)
    with (
        Batches(
            store,
            encode,
            encode_texts=encode_texts,
            encode_titled=encode_titled,
            model_id=model_id,
            source=source.name,
            failed=failed,
            batch_size=batch_size,
            tally=tally,
        ) as batches,
        PerHostPool(looking, lambda task: host_of(task.row.location), threads=threads, per_lane=_PER_HOST) as lanes,
    ):
        complete = _pump(plan, lanes, batches, ahead=_AHEAD * batch_size, tally=tally, stop=stop)
    if not complete:
        tally.tell(now=True)  # what was committed last
        raise Stopped("Indexing")
    titled = [model_id] if encode_titled is not None else []
    joined = store.sources.count_joined(source.name, since=began_at)
    moved = store.sources.adopt_moved(source.name, gone, title_models=titled) if (gone := _gone(store, source)) else []
    renamed = store.sources.detect_renames(source.name, plan.keys, unread=plan.unread, title_models=titled)
    removed, unread = store.sources.remove_missing(source.name, plan.keys, unread=plan.unread, title_models=titled)
    store.sources.put(source.name, kind=source.kind, location=source.location, began_at=began_at, completed_at=time.time())
    return tally.finish(
        duplicates=source.duplicates,
        renamed=len(renamed),
        joined=joined,
        moved=len(moved),
        removed=len(removed),
        unread=unread,
    )


def _gone(store: Store, source: Source) -> list[str]:
    """Names of the other sources whose folder or file does not exist any more; one that cannot be reached may still exist."""
    return [info.name for info in store.sources.all() if info.name != source.name and _is_gone(Path(info.location))]


def _is_gone(path: Path) -> bool:
    if not path.is_absolute():  # says nothing without the folder it began at
        return False
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):  # not to be read just now, or no path
        return False
    return False


def _pump(
    plan: Plan,
    lanes: PerHostPool[Task, Outcome],
    batches: Batches,
    *,
    ahead: int,
    tally: Tally,
    stop: threading.Event | None,
) -> bool:
    """Feed rows to the worker pool and outcomes to the batches. Returns False if stopped before the end."""
    entries = iter(plan)
    more = True
    while more or lanes.under_way:
        if stop is not None and stop.is_set():
            return False
        if more and lanes.under_way < ahead:
            entry = next(entries, None)
            more = entry is not None
            if isinstance(entry, Task):
                lanes.submit(entry)
            elif entry is not None:
                batches.put(entry)
        else:
            outcome = lanes.take(timeout_s=_PATIENCE_S)
            if outcome is not None:
                batches.put(outcome)
        batches.flush_if_older(_LONGEST_WAIT_S)
        tally.tell()
    return True
