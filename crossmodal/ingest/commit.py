"""The end of the pipeline: encodes pictures in batches and commits each batch while the next one is encoded."""

import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import numpy as np

from crossmodal.ingest.plan import Decoded, Outcome, Unchanged
from crossmodal.ingest.report import Tally
from crossmodal.items import Embedding, Failure, ItemSource, NewItem, Pixels, SourceRow, texts_of
from crossmodal.store import ItemTexts, Store
from crossmodal.store.texts import TextEmbeddings

Encode = Callable[[Pixels], Embedding]
EncodeTitled = Callable[[Pixels, Sequence[str]], Embedding]
EncodeTexts = Callable[[Sequence[str]], Mapping[str, Embedding]]


def new_items(
    decoded: Sequence[Decoded],
    store: Store,
    *,
    encode: Encode,
    encode_titled: EncodeTitled | None = None,
    model_id: str,
    source: str,
) -> list[NewItem]:
    """Build an item for each picture, in order.

    Equal files share one embedding: the stored one of this model if there is one, otherwise they are encoded once.

    Args:
        encode: maps (n, square_px, square_px, 3) uint8 to (n, embed_dim) float32, unit length; not called for n = 0.
        encode_titled: the same with n titles, for a model that reads titles; equal files with different titles are encoded separately.
    """
    if encode_titled is not None and decoded:
        rows = encode_titled(np.stack([each.picture.pixels for each in decoded]), [each.task.row.title for each in decoded])
        return [_item(each, row, source=source) for each, row in zip(decoded, rows, strict=True)]
    embeddings: dict[str, Embedding] = {}
    fresh: dict[str, Pixels] = {}
    for content_hash, pixels in {each.picture.content_hash: each.picture.pixels for each in decoded}.items():
        stored = store.embeddings.of_content(content_hash, model_id)
        if stored is None:
            fresh[content_hash] = pixels
        else:
            embeddings[content_hash] = stored
    if fresh:
        embeddings.update(zip(fresh, encode(np.stack(list(fresh.values()))), strict=True))
    return [_item(each, embeddings[each.picture.content_hash], source=source) for each in decoded]


def text_embeddings(
    texts: Sequence[str], store: Store, *, encode_texts: EncodeTexts | None, model_id: str
) -> Mapping[str, Mapping[str, Embedding]]:
    """Embeddings of the texts that have none in the collection yet, encoded together; empty without an encoder.

    Args:
        encode_texts: maps n texts to the embeddings of those it can encode, (embed_dim,) float32, unit length; not called for n = 0.
    """
    if encode_texts is None or not texts:
        return {}
    known = store.texts.embedded(texts, model_id)
    fresh = [text for text in dict.fromkeys(texts) if text not in known]
    return {model_id: encode_texts(fresh)} if fresh else {}


def _item(decoded: Decoded, embedding: Embedding, *, source: str) -> NewItem:
    row = decoded.task.row
    return NewItem(
        key=decoded.task.key,
        title=row.title,
        picture=decoded.picture,
        embedding=embedding,
        source=source,
        origin=row.location,
        captions=row.captions,
        attributes=row.attributes,
        held_out=row.held_out,
    )


# Rows without a picture to encode that are written in one transaction.
_MAX_NOTES = 256
# Pending commits; a third batch waits, so that a slow disk does not accumulate pictures in memory.
_MAX_COMMITS = 2


@dataclass(slots=True)
class _Batch:
    pictures: list[Decoded] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    texts: list[ItemTexts] = field(default_factory=list)
    restored: list[int] = field(default_factory=list)
    recovered: list[str] = field(default_factory=list)
    begun_at: float = field(default_factory=time.monotonic)

    @property
    def notes(self) -> int:
        """Rows that are written without encoding."""
        return len(self.failures) + len(self.texts) + len(self.restored) + len(self.recovered)


class Batches:
    """Collects outcomes and writes them to the collection, one transaction per batch and kind.

    Use as a context manager: leaving it waits for the last commit. Only then is everything passed to `put` in the collection.

    Args:
        encode, encode_texts, encode_titled: see `ingest`.
        catalogue: name of the catalogue.
        failed: keys with a recorded failure, which is deleted when the row succeeds.
        batch_size: pictures encoded at once.
    """

    def __init__(
        self,
        store: Store,
        encode: Encode,
        *,
        encode_texts: EncodeTexts | None = None,
        encode_titled: EncodeTitled | None = None,
        model_id: str,
        source: str,
        failed: Collection[str],
        batch_size: int,
        tally: Tally,
    ) -> None:
        self._store = store
        self._encode = encode
        self._encode_texts = encode_texts
        self._encode_titled = encode_titled
        self._model_id = model_id
        self._source = source
        self._failed = failed
        self._batch_size = batch_size
        self._tally = tally
        self._batch = _Batch()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="ingest-writer")
        self._commits: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None:
                self.flush()
                self._wait(0)
        finally:
            self._writer.shutdown(wait=True, cancel_futures=True)

    def put(self, outcome: Outcome) -> None:
        """Add an outcome; encodes a batch after every `batch_size` pictures.

        Raises:
            StoreError, BusyError: an earlier batch could not be written. Batches committed before stay.
        """
        match outcome:
            case Failure():
                self._batch.failures.append(outcome)
                self._tally.failed += 1
            case Unchanged():
                self._put_unchanged(outcome)
                self._tally.unchanged += 1
            case Decoded():
                self._batch.pictures.append(outcome)
        if len(self._batch.pictures) >= self._batch_size or self._batch.notes >= _MAX_NOTES:
            self.flush()

    def flush_if_older(self, seconds: float) -> None:
        """Flush if the oldest outcome has waited longer than this for its batch to fill (slow sources)."""
        if time.monotonic() - self._batch.begun_at > seconds:
            self.flush()

    def flush(self) -> None:
        """Encode the pending pictures and pass them to the writer."""
        batch, self._batch = self._batch, _Batch()
        if not batch.pictures and not batch.notes:
            return
        entries = new_items(
            batch.pictures,
            self._store,
            encode=self._encode,
            encode_titled=self._encode_titled,
            model_id=self._model_id,
            source=self._source,
        )
        texts = [text for entry in entries for text in texts_of(entry.title, entry.captions)]
        texts += [text for row in batch.texts for text in texts_of(row.title, row.captions)]
        encoded = text_embeddings(texts, self._store, encode_texts=self._encode_texts, model_id=self._model_id)
        self._wait(_MAX_COMMITS - 1)
        self._commits.append(self._writer.submit(self._commit, batch, entries, encoded))
        self._tally.indexed += len(entries)

    def _put_unchanged(self, outcome: Unchanged) -> None:
        task, row = outcome.task, outcome.task.row
        if task.known is None:
            return
        if outcome.restore:
            self._batch.restored.append(task.known.item.item_id)
        if task.key in self._failed:
            self._batch.recovered.append(task.key)
        if _texts_differ(row, task.known.row):
            self._batch.texts.append(ItemTexts(task.key, row.title, row.location, row.captions, row.attributes, row.held_out))

    def _commit(self, batch: _Batch, entries: list[NewItem], texts_encoded: TextEmbeddings) -> None:
        titled = [self._model_id] if self._encode_titled is not None else []
        if entries:
            written = self._store.items.add_many(
                entries, model_id=self._model_id, text_embeddings=texts_encoded, title_models=titled
            )
            self._tally.refused += len(entries) - len(written)
        if batch.failures:
            self._store.failures.record(batch.failures)
        if batch.texts:
            self._store.items.update_texts(batch.texts, text_embeddings=texts_encoded, title_models=titled)
        if batch.restored:
            self._store.items.restore(batch.restored)
        if batch.recovered:
            self._store.failures.clear(batch.recovered)

    def _wait(self, most: int) -> None:
        while len(self._commits) > most:
            self._commits.popleft().result()


def _texts_differ(row: SourceRow, stored: ItemSource) -> bool:
    here = (row.title, row.location, row.captions, row.held_out, dict(row.attributes))
    return here != (stored.title, stored.origin, stored.captions, stored.held_out, dict(stored.attributes))
