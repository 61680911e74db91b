"""From a catalogue to the collection: read and decode ahead, encode in batches, commit each batch."""

import hashlib
import threading
import time
from collections.abc import Callable
from typing import Protocol

from crossmodal.errors import CrossmodalError
from crossmodal.ingest.commit import Batches, Encode, EncodeTexts, EncodeTitled
from crossmodal.ingest.picture_loader import host_of
from crossmodal.ingest.plan import Decoded, LookAgain, Outcome, Plan, Task, Unchanged
from crossmodal.ingest.report import IngestReport, Tally
from crossmodal.ingest.sources.base import Source
from crossmodal.ingest.workers import PerHostPool
from crossmodal.items import Failure, Picture, SourceRow
from crossmodal.progress import OnProgress, Stopped, ignore_progress
from crossmodal.store import Store


class Decodes(Protocol):
    """Bytes to a picture, safe to call from several threads."""

    def decode(self, data: bytes, *, square_px: int) -> Picture: ...


class PictureTask:
    """A task to what becomes of it.

    Every error of the family becomes a `Failure`; any other is a mistake of ours and passes through.

    Args:
        load: a row to the bytes of its picture.
        square_px: side of the model's input.
        catalogue: name of the catalogue, for failures.
    """

    def __init__(self, load: Callable[[SourceRow], bytes], decoder: Decodes, *, square_px: int, source: str) -> None:
        self._load = load
        self._decoder = decoder
        self._square_px = square_px
        self._source = source

    def __call__(self, task: Task) -> Outcome:
        """Unchanged when the collection has exactly these bytes under this key, otherwise decoded, or failed."""
        known = task.known
        try:
            data = self._load(task.row)
            if known is not None and known.embedded and hashlib.sha256(data).hexdigest() == known.item.content_hash:
                return Unchanged(task, restore=known.removed)
            return Decoded(task, self._decoder.decode(data, square_px=self._square_px))
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
# A slow source is committed picture by picture rather than kept from the searcher until a batch is full.
_LONGEST_WAIT_S = 2.0
# How soon a wish to stop is heard while nothing happens.
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
    encode_texts: EncodeTexts | None = None,
    encode_titled: EncodeTitled | None = None,
    look_again: LookAgain = "files",
    batch_size: int = 32,
    threads: int = 8,
    on_progress: OnProgress = ignore_progress,
    stop: threading.Event | None = None,
) -> IngestReport:
    """Bring a catalogue into the collection: each row ends indexed, or as a failure with its reason.

    Every batch is committed by itself, and a row already in the collection with the same picture is not encoded again: a run that
    was stopped or killed is resumed by running it again. At the end, a row that is gone while a new one has its picture counts as renamed,
    and its item stays the same; the other items whose row the catalogue no longer has are removed, and come back with it. What may lie in
    a part that could not be read counts as there. A row that fails although it is in the collection keeps its last good picture there;
    one whose item a person removed is passed over.

    Args:
        load: a row to the bytes of its picture; called from several threads, as is `decoder`.
        encode: (n, square_px, square_px, 3) uint8 to (n, embed_dim) float32 of length 1; called from this thread only.
        model_id: of the model behind `encode`.
        square_px: side of its input.
        encode_texts: the texts of a batch to their embeddings by the same model; those it cannot read are left out. None leaves all out.
        encode_titled: for a model that reads titles, too: used instead of `encode`. Where only a title changed, the embedding is dropped
            and the caller makes it again.
        look_again: which rows already in the collection are looked at again. `files`: those in files, for a change of the file; an
            address is not fetched again. `failures`: only those that failed last time. `everything`: all. A set of row keys: those, and
            those that failed last time.
        batch_size: pictures encoded and committed together.
        threads: pictures read and decoded at once, at most two of them from one host.

    Raises:
        Stopped: `stop` was set before the end. Pictures that were decoded and taken into a batch are committed.
        SourceError: the catalogue as a whole cannot be read. What was committed before stays; nothing is removed.
        StoreError, BusyError: the collection cannot be written. Batches committed before stay.
    """
    began_at = time.time()
    store.sources.put(source.name, kind=source.kind, location=source.location)
    tally = Tally(source.survey(), on_progress)
    failed = frozenset(failure.key for failure in store.failures.all(source.name))
    plan = Plan(source, store, model_id=model_id, look_again=look_again, failed=failed)
    looking = PictureTask(load, decoder, square_px=square_px, source=source.name)
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
    renamed = store.sources.detect_renames(source.name, plan.keys, unread=plan.unread, title_models=titled)
    removed, unread = store.sources.remove_missing(source.name, plan.keys, unread=plan.unread)
    store.sources.put(source.name, kind=source.kind, location=source.location, began_at=began_at, completed_at=time.time())
    return tally.finish(duplicates=source.duplicates, renamed=len(renamed), removed=len(removed), unread=unread)


def _pump(
    plan: Plan,
    lanes: PerHostPool[Task, Outcome],
    batches: Batches,
    *,
    ahead: int,
    tally: Tally,
    stop: threading.Event | None,
) -> bool:
    """Rows into the lanes, outcomes into the batches; True at the end, False when somebody asked to stop before."""
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
