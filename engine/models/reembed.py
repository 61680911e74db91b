"""Compute missing embeddings of items and texts from the store; the rows already written serve as checkpoint."""

import logging
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from crossmodal.errors import CrossmodalError, PictureError, QueryError, StoreError
from crossmodal.installation import COMMAND
from crossmodal.items import Item, Pixels
from crossmodal.progress import OnProgress, Progress, check_stop, ignore_progress
from crossmodal.store import Store
from engine.encoding import Encoding, encoded_texts
from engine.models.trained import TrainedModel

log = logging.getLogger(__name__)

_ITEMS_AT_ONCE = 64
_TEXTS_AT_ONCE = 256
_DECODING = 2
_MOST_TOLD = 5


@dataclass(frozen=True, slots=True)
class Embedded:
    """Result of a pass: number of items embedded, and ids of items whose stored picture cannot be read."""

    made: int
    unreadable: frozenset[int]

    @property
    def note(self) -> str:
        """A sentence about the unreadable items; empty if there are none."""
        if not self.unreadable:
            return ""
        what = "1 stored picture" if len(self.unreadable) == 1 else f"{len(self.unreadable):,} stored pictures"
        return f"{what} cannot be read, and only their words find those items: {COMMAND} doctor"


def embed_missing(
    model: TrainedModel, store: Store, encoding: Encoding, on_progress: OnProgress, stop: threading.Event | None = None
) -> Embedded:
    """Embed every item and text that has no embedding of this model.

    Each batch is one transaction, so a pass that was stopped or killed resumes where it was. An item whose stored picture cannot be read
    is skipped and retried by the next pass.

    Raises:
        Stopped: `stop` was set. StoreError, BusyError: the collection cannot be read or written; completed batches are kept.
    """
    total = store.items.count()
    before = store.models.counts().get(model.model_id, 0)
    unreadable: dict[int, CrossmodalError] = {}
    made, after_id, began = 0, 0, time.monotonic()
    with ThreadPoolExecutor(_DECODING, thread_name_prefix="re-embedding") as threads:
        while items := store.embeddings.missing(model.model_id, _ITEMS_AT_ONCE, after_id=after_id):
            check_stop(stop, "Indexing")
            seen = list(threads.map(lambda item: _stored_pixels(model, store, encoding, item), items))
            unreadable |= {
                item.item_id: pixels for item, pixels in zip(items, seen, strict=True) if isinstance(pixels, CrossmodalError)
            }
            read = [(item, pixels) for item, pixels in zip(items, seen, strict=True) if isinstance(pixels, np.ndarray)]
            if read:
                embeddings = model.encode_items(np.stack([pixels for _, pixels in read]), [item.title for item, _ in read])
                store.embeddings.add(model.model_id, [(item, row) for (item, _), row in zip(read, embeddings, strict=True)])
            made, after_id = made + len(read), items[-1].item_id
            on_progress(_moment(before + made, max(total, before + made), made / max(time.monotonic() - began, 1e-9)))
    embed_missing_texts(model, store, on_progress, stop)
    if unreadable:
        _log_unreadable(unreadable)
    if made or unreadable:
        done = total - len(unreadable)
        message = f"Index: {done:,} of {total:,}"
        on_progress(Progress("index", message, done=done, total=total, failed=len(unreadable), finished=True))
    return Embedded(made, frozenset(unreadable))


def _stored_pixels(model: TrainedModel, store: Store, encoding: Encoding, item: Item) -> Pixels | CrossmodalError | None:
    """The stored picture at the model's input size, or why it cannot be read; None if the item was removed meanwhile."""
    try:
        return encoding.stored_pixels(model, store.pictures.rendition(item.item_id))
    except PictureError as error:
        return error
    except StoreError as error:
        if error.code != "index_corrupt":  # a problem of the disk or the whole file, not of this picture
            raise
        return error
    except QueryError as error:
        if error.code != "not_found":
            raise
        return None


def _log_unreadable(unreadable: Mapping[int, CrossmodalError]) -> None:
    for item_id, error in list(unreadable.items())[:_MOST_TOLD]:
        log.warning("item %d has no embedding: %s", item_id, error.sentence)
    if len(unreadable) > _MOST_TOLD:
        log.warning("%d more items have none", len(unreadable) - _MOST_TOLD)


def embed_missing_texts(
    model: TrainedModel, store: Store, on_progress: OnProgress = ignore_progress, stop: threading.Event | None = None
) -> None:
    """Embed every text that has no embedding of this model and can be encoded, such as one that an item has again."""
    done, after_id = 0, 0
    while rows := store.texts.missing(model.model_id, _TEXTS_AT_ONCE, after_id=after_id):
        check_stop(stop, "Indexing")
        store.texts.add_embeddings({model.model_id: encoded_texts(model, [text for _, text in rows])})
        done, after_id = done + len(rows), rows[-1][0]
        on_progress(Progress("index", "Encoding every text with the new model", done=done))


def _moment(done: int, total: int, rate: float) -> Progress:
    return Progress(
        "index",
        "Encoding every picture with the new model",
        done=done,
        total=total,
        rate_per_s=rate,
        seconds_left=(total - done) / rate if rate else None,
    )
