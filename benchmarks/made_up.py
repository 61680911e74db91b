"""Items generated from a number: the same number gives the same item, byte for byte, in any process."""

from hashlib import sha256

import numpy as np
import numpy.typing as npt

from crossmodal.items import Embedding, NewItem, Picture

MODEL_ID = sha256(b"made up").hexdigest()
NO_PIXELS = np.zeros((1, 1, 3), dtype=np.uint8)


def made_up_item(number: int, *, embed_dim: int = 64, picture_bytes: int = 2_000, source: str = "made up") -> NewItem:
    """An item with random words, a random picture of `picture_bytes` and a random embedding, all from `number`."""
    random = np.random.default_rng(number)
    rendition = random.bytes(picture_bytes)
    return NewItem(
        key=f"made up {number}",
        title=f"thing {number} {random.integers(10**9)}",
        picture=Picture(
            sha256(rendition).hexdigest(), 240 + number % 7, 160, NO_PIXELS, rendition, rendition[: picture_bytes // 4]
        ),
        embedding=unit(random.standard_normal(embed_dim)),
        source=source,
        origin=f"pictures/{number}.jpg",
        captions=(f"first words of {number}", f"other words of {number}"),
        attributes={"number": str(number)},
        held_out=number % 7 == 0,
    )


def made_up_embeddings(count: int, embed_dim: int, *, seed: int = 0) -> npt.NDArray[np.float32]:
    """(count, embed_dim) random unit vectors."""
    rows = np.random.default_rng(seed).standard_normal((count, embed_dim), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def unit(vector: npt.NDArray[np.floating]) -> Embedding:
    """The vector scaled to unit length, float32."""
    return (vector / np.linalg.norm(vector)).astype(np.float32)
