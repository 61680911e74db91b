"""Checks of embeddings (undamaged, finite, unit length, not all equal) and of the cache against the store."""

import numpy as np
import numpy.typing as npt

from crossmodal.errors import CrossmodalError, StoreError
from crossmodal.indexes import cache_file
from crossmodal.installation import COMMAND
from crossmodal.items import Embedding
from crossmodal.store import Changes
from crossmodal.store.checksums import UNIT_TOLERANCE
from doctor.finding import REPAIR, Finding, Subject

_KIND = "exact"
# Different pictures with the same embedding: a pair may happen, a twentieth of the collection indicates a fault.
_MANY_EQUAL = 3
_MANY_EQUAL_SHARE = 0.05
_SAMPLED = 512
_COLLAPSED = 0.999


def check_vectors(subject: Subject) -> list[Finding]:
    """Check each embedding of the active model against its checksum and length, and all of them for duplicates."""
    if subject.store is None or subject.model is None:
        return []
    try:
        stored = subject.store.changes.since(subject.model.model_id)
    except StoreError as error:
        return [Finding("embeddings_damaged", error.message, REPAIR)]
    if not len(stored.item_ids):
        return []
    lengths = np.linalg.norm(stored.embeddings.astype(np.float64), axis=1)
    bad = stored.item_ids[~(np.abs(lengths - 1.0) <= UNIT_TOLERANCE)]
    if len(bad):
        some = ", ".join(map(str, bad[:10].tolist()))
        what = f"{len(bad):,} embeddings are not finite unit vectors, of items {some}."
        return [Finding("embeddings_not_finite", what, REPAIR)]
    return _equal_rows(subject, stored)


def _equal_rows(subject: Subject, stored: Changes) -> list[Finding]:
    """Find different pictures with the same or nearly the same embedding."""
    assert subject.store is not None
    assert subject.model is not None
    contents = {item.item_id: item.content_hash for item in subject.store.items.get_many(stored.item_ids.tolist())}
    first_of: dict[str, int] = {}
    for place, item_id in enumerate(stored.item_ids.tolist()):
        if item_id in contents:
            first_of.setdefault(contents[item_id], place)
    rows = np.round(stored.embeddings[list(first_of.values())], 5)
    if len(rows) < _MANY_EQUAL:
        return []
    _, counts = np.unique(rows, axis=0, return_counts=True)
    most = int(counts.max())
    chosen = rows[np.linspace(0, len(rows) - 1, min(len(rows), _SAMPLED)).astype(int)].astype(np.float64)
    mean_cosine = _mean_cosine(chosen)
    if most < max(_MANY_EQUAL, _MANY_EQUAL_SHARE * len(rows)) and mean_cosine < _COLLAPSED:
        return []
    what = f"{most:,} of {len(rows):,} different pictures share one embedding; the mean cosine of any two is {mean_cosine:.3f}."
    return [Finding("identical_rows", what, REPAIR if _tells_apart(subject, stored) else f"{COMMAND} train")]


def _mean_cosine(rows: npt.NDArray[np.float64]) -> float:
    """Mean cosine of two different rows of (n, embed_dim) unit vectors, n at least 2, from the length of their sum."""
    n = len(rows)
    total = float(np.square(rows.sum(axis=0)).sum())
    return (total - n) / (n * (n - 1))


def _tells_apart(subject: Subject, stored: Changes) -> bool:
    """Whether the model gives different pictures different embeddings; then only the stored ones are wrong."""
    assert subject.store is not None
    assert subject.model is not None
    pixels: dict[bytes, Embedding] = {}
    for item_id in stored.item_ids[:16].tolist():
        try:
            rendition = subject.store.pictures.rendition(item_id)
            square = subject.decoder.decode(
                rendition, square_px=subject.model.spec.image_size_px, fit=subject.model.spec.fit
            ).pixels
        except CrossmodalError:
            continue  # reported by another check
        pixels[square.tobytes()] = subject.model.encode_pixels(square[np.newaxis])[0]
    rows = np.stack(list(pixels.values())) if len(pixels) > 1 else None
    return rows is not None and _mean_cosine(rows.astype(np.float64)) < _COLLAPSED


def check_cache(subject: Subject) -> list[Finding]:
    """Check the saved index against the store. A missing one is fine: the next start creates it."""
    path = subject.place.index_path
    if subject.store is None or subject.model is None:
        return []
    store, model = subject.store, subject.model
    try:
        tag, ids, rows = cache_file.read(
            path, kind=_KIND, store_uuid=store.store_uuid, model_id=model.model_id, embed_dim=model.spec.embed_dim
        )
        stored = store.changes.since(model.model_id)
        newer = store.changes.since(model.model_id, after_seq=tag.seq, after_removal=tag.removal_seq)
    except StoreError as error:
        if error.code == "index_missing":
            return []
        return [Finding("cache_refused", error.message, REPAIR)]
    marks = store.changes.mark(model.model_id, tag.seq), store.changes.removal_mark(tag.removal_seq)
    if tag.mark != marks[0] or tag.removal_mark not in ("", marks[1]):  # earlier versions wrote no removal mark
        return [Finding("cache_disagrees", f"The cache {path} does not match the current collection.", REPAIR)]
    touched = {*newer.item_ids.tolist(), *newer.removed_ids.tolist()}
    kept = dict(zip(ids.tolist(), rows.numpy(), strict=True))
    truth = dict(zip(stored.item_ids.tolist(), stored.embeddings, strict=True))
    wrong = [
        item_id
        for item_id in sorted((kept.keys() | truth.keys()) - touched)
        if item_id not in kept or item_id not in truth or not np.array_equal(kept[item_id], truth[item_id])
    ]
    if not wrong:
        return []
    what = f"The cache {path} disagrees with the store on {len(wrong):,} items, such as {wrong[0]}."
    return [Finding("cache_disagrees", what, REPAIR)]
