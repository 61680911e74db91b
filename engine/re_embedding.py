"""Giving items and texts the embeddings they lack, from what is stored: the rows already written are the checkpoint."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from crossmodal.catalog import Catalog
from crossmodal.progress import OnProgress, Progress, check_stop
from engine.encoding import Encoding, encoded_texts
from engine.trained_model import TrainedModel

_ITEMS_AT_ONCE = 64
_TEXTS_AT_ONCE = 256
_DECODING = 2


def embed_missing(
    model: TrainedModel, catalog: Catalog, encoding: Encoding, on_progress: OnProgress, stop: threading.Event | None = None
) -> int:
    """Give every item and every text that lacks one an embedding of this model; returns how many items.

    Each batch is a transaction: a pass that was stopped or killed goes on where it was.

    Raises:
        Stopped: `stop` was set. StoreError, PictureError: a stored picture cannot be read; what was made so far stays.
    """
    total = catalog.count()
    before = catalog.models().get(model.model_id, 0)
    done, after_id, began = 0, 0, time.monotonic()
    with ThreadPoolExecutor(_DECODING, thread_name_prefix="re-embedding") as threads:
        while items := catalog.without_embedding(model.model_id, _ITEMS_AT_ONCE, after_id=after_id):
            check_stop(stop, "Indexing")
            pixels = list(threads.map(lambda item: encoding.stored_pixels(model, catalog.rendition(item.item_id)), items))
            embeddings = model.encode_items(np.stack(pixels), [item.title for item in items])
            catalog.add_embeddings(model.model_id, zip(items, embeddings, strict=True))
            done, after_id = done + len(items), items[-1].item_id
            on_progress(_moment(before + done, max(total, before + done), done / max(time.monotonic() - began, 1e-9)))
    _embed_texts(model, catalog, on_progress, stop)
    if done:
        on_progress(Progress("index", f"Index: {total:,} of {total:,}", done=total, total=total, finished=True))
    return done


def _embed_texts(model: TrainedModel, catalog: Catalog, on_progress: OnProgress, stop: threading.Event | None) -> None:
    done, after_id = 0, 0
    while rows := catalog.texts_without_embedding(model.model_id, _TEXTS_AT_ONCE, after_id=after_id):
        check_stop(stop, "Indexing")
        catalog.add_text_embeddings({model.model_id: encoded_texts(model, [text for _, text in rows])})
        done, after_id = done + len(rows), rows[-1][0]
        on_progress(Progress("index", "Reading every text with the new model", done=done))


def _moment(done: int, total: int, rate: float) -> Progress:
    return Progress(
        "index",
        "Looking at every picture with the new model",
        done=done,
        total=total,
        rate_per_s=rate,
        seconds_left=(total - done) / rate if rate else None,
    )
