"""Embeddings and pictures as they are stored: rows of length 1, and what binds bytes to what they belong to.

A flipped bit or a shifted row is so found when it is read.
"""

from hashlib import sha256

import numpy as np
import numpy.typing as npt

from crossmodal.errors import StoreError
from crossmodal.items import Embedding

UNIT_TOLERANCE = 1e-3
"""How far from 1 the length of what is taken for an embedding may be; further off, whatever made it is broken."""

UNIT_ROUNDING = 1e-5
"""How far from 1 the length of an embedding is at most once it is stored: more than normalising in float32 leaves."""


def picture_checksum(content_hash: str, jpeg: bytes) -> bytes:
    """32 bytes over a stored JPEG and the content hash of the picture it was made from."""
    return sha256(b"\n".join((content_hash.encode(), jpeg))).digest()


def embedding_checksum(content_hash: str, model_id: str, blob: bytes) -> bytes:
    """32 bytes over an embedding's bytes, the picture and the model it belongs to."""
    return sha256(b"\n".join((content_hash.encode(), model_id.encode(), blob))).digest()


def embedding_blob(embedding: Embedding, *, key: str, embed_dim: int | None = None) -> bytes:
    """An embedding as stored: little-endian float32, of length 1.

    Args:
        key: of the item, for the message.
        embed_dim: the length it must have; None accepts any.

    Raises:
        StoreError: `index_model_mismatch` (another embed_dim), `bad_request` (not one row, not finite, not nearly of length 1).
    """
    row = np.ascontiguousarray(embedding, dtype="<f4")
    if row.ndim != 1 or row.size == 0:
        what = f"The embedding of {key!r} has the shape {row.shape}, not (embed_dim,)."
        raise StoreError("bad_request", what, remedy="Give one row for each item.")
    if embed_dim is not None and row.size != embed_dim:
        raise StoreError(
            "index_model_mismatch",
            f"The embedding of {key!r} has {row.size} numbers, its model's have {embed_dim}.",
            remedy="Rebuild the index.",
        )
    # NaN fails the comparison, infinity too.
    if not abs(float(np.linalg.norm(row)) - 1.0) <= UNIT_TOLERANCE:
        raise StoreError(
            "bad_request", f"The embedding of {key!r} is not a finite vector of length 1.", remedy="Check the model that made it."
        )
    return unit_rows(row[np.newaxis]).tobytes()


def unit_rows(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Rows that are nearly of length 1, with that length; those that have it but for rounding keep their bits.

    Shape:
        rows: (n, embed_dim) float32; the answer is the same array where nothing had to change.
    """
    off = np.abs(np.linalg.norm(rows, axis=1) - 1.0) > UNIT_ROUNDING
    if not off.any():
        return rows
    rows = rows.copy()
    wide = rows[off].astype(np.float64)
    rows[off] = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    return rows
