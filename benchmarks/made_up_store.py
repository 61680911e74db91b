"""Collections of synthetic items, filled quickly, for benchmarks that depend only on the size."""

from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.made_up import MODEL_ID, NO_PIXELS, made_up_embeddings
from crossmodal.items import NewItem, Picture
from crossmodal.store import Store

_BATCH = 512


def entry_of(number: int, embedding: npt.NDArray[np.float32], *, picture_bytes: int) -> NewItem:
    """An item with the given embedding; everything else is generated from `number`."""
    content_hash = sha256(str(number).encode()).hexdigest()
    jpeg = (content_hash.encode() * (picture_bytes // 64 + 1))[:picture_bytes]
    picture = Picture(content_hash, 240, 160, NO_PIXELS, jpeg, jpeg)
    return NewItem(key=f"made up {number}", title=f"red striped mug number {number}", picture=picture, embedding=embedding)


def filled(path: Path, count: int, embed_dim: int, *, picture_bytes: int = 2_000) -> Store:
    """A store with `count` items numbered from 0."""
    store = Store(path)
    embeddings = made_up_embeddings(count, embed_dim)
    for start in range(0, count, _BATCH):
        numbers = range(start, min(start + _BATCH, count))
        store.items.add_many([entry_of(n, embeddings[n], picture_bytes=picture_bytes) for n in numbers], model_id=MODEL_ID)
    return store
