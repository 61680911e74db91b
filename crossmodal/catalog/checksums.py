"""What binds a row's bytes to what they belong to, so that a flipped bit or a shifted row is found when it is read."""

from hashlib import sha256

import numpy as np

from crossmodal.errors import StoreError
from crossmodal.items import Embedding

UNIT_TOLERANCE = 1e-3


def picture_checksum(content_hash: str, jpeg: bytes) -> bytes:
    """32 bytes over a stored JPEG and the content hash of the picture it was made from."""
    return sha256(b"\n".join((content_hash.encode(), jpeg))).digest()


def embedding_checksum(content_hash: str, model_id: str, blob: bytes) -> bytes:
    """32 bytes over an embedding's bytes, the picture and the model it belongs to."""
    return sha256(b"\n".join((content_hash.encode(), model_id.encode(), blob))).digest()


def embedding_blob(embedding: Embedding, *, key: str, embed_dim: int | None = None) -> bytes:
    """An embedding as stored: little-endian float32.

    Args:
        key: of the item, for the message.
        embed_dim: the length it must have; None accepts any.

    Raises:
        StoreError: `index_model_mismatch` (another length), `bad_request` (not one row, not finite, not of length 1).
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
    return row.tobytes()
