"""Repair missing, damaged or wrong embeddings from the stored pictures, and rebuild the table of words and the caches."""

import threading
from typing import get_args

import numpy as np

from config import Settings
from crossmodal.errors import CheckpointError, CrossmodalError, StoreMissing
from crossmodal.images.decoder import Decoder
from crossmodal.installation import COMMAND
from crossmodal.items import Item, Pixels
from crossmodal.progress import OnProgress, Progress, check_stop
from crossmodal.store import Feed, Store
from crossmodal.store.checksums import UNIT_TOLERANCE
from doctor.model import AGREE
from engine.models.loading import load_model
from engine.models.trained import TrainedModel
from initialize import build_system, decode_limits

_AT_ONCE = 64


def repair_collection(settings: Settings, on_progress: OnProgress, stop: threading.Event | None = None) -> str:
    """Check every item's embedding and recompute wrong ones; write its words anew. Returns a one-sentence summary.

    A missing or rejected model is trained first, as at a start. Each batch is one transaction; repairs made before a stop are kept.

    Raises:
        StoreError: the store itself is damaged.
        Stopped: `stop` was set.
    """
    replaced = unreadable = 0
    try:
        store = Store(settings.store_path, create=False)
    except StoreMissing:  # made below, as at a start
        pass
    else:
        with store:
            store.words.rebuild()
            for model_id in store.models.counts():
                for feed in get_args(Feed):
                    store.changes.drop_damaged(model_id, feed=feed)
            try:
                model = load_model(settings.model_path)
            except CheckpointError:
                model = None  # trained below; the store has no embeddings of it
            if model is not None:
                with Decoder(decode_limits(settings), workers=settings.decode_workers) as decoder:
                    replaced, unreadable = _repair_items(store, model, decoder, on_progress, stop)
    for cache in settings.index_path.parent.glob("*_features.pt"):
        cache.unlink(missing_ok=True)
    app = build_system(settings, on_progress, fill=False, at_once=True)
    try:
        made = app.tasks.embed_missing(app.generation().model, on_progress, stop)
        app.generations.set_initial()
        total = app.count()
    finally:
        app.close()
    left = f" {unreadable:,} stored pictures cannot be read: {COMMAND} doctor" if unreadable else ""
    return f"{replaced + made:,} embeddings recomputed, {total - replaced - made:,} were good.{left}"


def _repair_items(
    store: Store, model: TrainedModel, decoder: Decoder, on_progress: OnProgress, stop: threading.Event | None
) -> tuple[int, int]:
    """Returns (embeddings replaced, pictures that cannot be read)."""
    replaced = unreadable = done = after_id = 0
    total = store.items.count()
    while page := store.items.page(_AT_ONCE, after_id):
        check_stop(stop, "Repairing")
        after_id, done = page[-1].item_id, done + len(page)
        read = [(item, pixels) for item in page if (pixels := _pixels(store, model, decoder, item)) is not None]
        unreadable += len(page) - len(read)
        if read:
            fresh = model.encode_items(np.stack([pixels for _, pixels in read]), [item.title for item, _ in read])
            wrong = [(item, row) for (item, _), row in zip(read, fresh, strict=True) if not _agrees(store, model, item, row)]
            replaced += store.embeddings.add(model.model_id, wrong) if wrong else 0
        on_progress(Progress("repair", "Comparing embeddings with their pictures", done=done, total=total))
    on_progress(Progress("repair", f"{done:,} embeddings compared", done=done, total=done, finished=True))
    return replaced, unreadable


def _pixels(store: Store, model: TrainedModel, decoder: Decoder, item: Item) -> Pixels | None:
    try:
        rendition = store.pictures.rendition(item.item_id)
        return decoder.decode(rendition, square_px=model.spec.image_size_px, fit=model.spec.fit).pixels
    except CrossmodalError:
        return None


def _agrees(store: Store, model: TrainedModel, item: Item, fresh: np.ndarray) -> bool:
    try:
        stored = store.embeddings.get(item.item_id, model.model_id)
    except CrossmodalError:
        return False
    return bool(np.dot(stored, fresh) >= AGREE) and bool(abs(np.linalg.norm(stored) - 1.0) <= UNIT_TOLERANCE)
