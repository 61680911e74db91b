"""The interface of vector indexes. `tests/crossmodal/indexes/test_contract.py` tests every implementation against it."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch

from crossmodal.errors import QueryError, StoreError
from crossmodal.indexes.nearest import blocks
from crossmodal.store.checksums import UNIT_ROUNDING


@dataclass(frozen=True, slots=True)
class IndexTag:
    """The store, model and feed position that an index reflects.

    Attributes:
        store_uuid: the store it was built from.
        model_id: the model whose embeddings it contains.
        seq, removal_seq: positions in the store's change feed.
        mark, removal_mark: the feed entries at `seq` and `removal_seq`; they reveal a store restored from an older copy.
    """

    store_uuid: str
    model_id: str
    seq: int = 0
    removal_seq: int = 0
    mark: str = ""
    removal_mark: str = ""


Vectors = torch.Tensor | npt.NDArray[np.float32]
Ids = Sequence[int] | npt.NDArray[np.int64]
Hits = list[tuple[int, float]]


class VectorIndex(ABC):
    """Embeddings of one model by item id.

    Thread-safe: searches run concurrently with changes and each sees a consistent snapshot; changes are serialised internally.

    Attributes:
        kind: name of the engine.
        embed_dim: dimension of every embedding.
    """

    kind: ClassVar[str]

    def __init__(self, embed_dim: int) -> None:
        self.embed_dim = embed_dim

    @abstractmethod
    def apply(self, removed_ids: Ids, item_ids: Ids, embeddings: Vectors) -> None:
        """Remove items, then add embeddings, atomically: a search sees the state before or after both.

        An id in both lists stays, with the new embedding. Shapes and errors as `remove` and `add`; nothing changes on an error.
        """

    def add(self, item_ids: Ids, embeddings: Vectors) -> None:
        """Add embeddings. An existing id gets the new embedding; of an id given twice, the last one counts.

        Shape:
            item_ids: (n,), positive. embeddings: (n, embed_dim), finite, unit length. n may be 0.

        Raises:
            StoreError: `index_model_mismatch` (another embed_dim), `bad_request` (not finite, not unit length, different counts).
        """
        self.apply((), item_ids, embeddings)

    def remove(self, item_ids: Ids) -> None:
        """Remove items; unknown ids are ignored."""
        self.apply(item_ids, (), np.empty((0, self.embed_dim), dtype=np.float32))

    @abstractmethod
    def search(self, queries: Vectors, top_k: int, *, exclude: Collection[int] = (), allowed: Ids | None = None) -> list[Hits]:
        """Return the nearest items of each query, best first; equal scores are ordered by id.

        Shape:
            queries: (q, embed_dim), finite, not zero; need not be normalised.

        Args:
            top_k: maximum hits per query, at least 1; may exceed the number of items.
            exclude: ids to leave out.
            allowed: restricts the search to these ids, in any order, unknown ones ignored. None allows all; empty finds nothing.

        Returns:
            For each query a list of (item_id, score), empty for an empty index. The score is the cosine, in [-1, 1]; higher is better.

        Raises:
            QueryError: `bad_request` for a wrong shape, a query that is not finite or is zero, or a `top_k` below 1.
        """

    @abstractmethod
    def __len__(self) -> int:
        """Number of items."""

    @abstractmethod
    def save(self, path: Path, *, tag: IndexTag) -> None:
        """Write the index to a file atomically.

        Raises:
            StoreError: `disk_full`, `read_only`.
        """

    @classmethod
    @abstractmethod
    def load(cls, path: Path, *, store_uuid: str, model_id: str, embed_dim: int) -> tuple[Self, IndexTag]:
        """Read and verify a file written by `save`.

        Raises:
            StoreError: `index_missing`, `index_corrupt`, `index_model_mismatch`; the index must then be rebuilt from the store.
        """


def checked_rows(item_ids: Ids, embeddings: Vectors, *, embed_dim: int) -> tuple[npt.NDArray[np.int64], torch.Tensor]:
    """Validate and convert to ids (n,) int64 and embeddings (n, embed_dim) float32. Raises as `VectorIndex.add`."""
    ids = np.asarray(item_ids, dtype=np.int64)
    rows = _float_rows(embeddings)
    if rows.ndim != 2 or ids.ndim != 1 or len(ids) != len(rows):
        what = f"{len(ids)} ids cannot be added with embeddings of shape {tuple(rows.shape)}."
        raise StoreError("bad_request", what, remedy=f"Pass one row of {embed_dim} numbers for each id.")
    if rows.shape[1] != embed_dim and len(rows):
        raise StoreError(
            "index_model_mismatch",
            f"The index has embeddings of dimension {embed_dim}; these have {rows.shape[1]}.",
            remedy="Rebuild the index with the active model.",
        )
    if not are_unit(rows):
        raise StoreError("bad_request", "An embedding is not a finite unit vector.", remedy="Check the model that made it.")
    if len(ids) and ids.min() <= 0:
        raise StoreError("bad_request", f"{ids.min()} is not an item id.", remedy="Ids start at 1.")
    _, from_the_end = np.unique(ids[::-1], return_index=True)
    if len(from_the_end) == len(ids):
        return ids, rows
    last = len(ids) - 1 - from_the_end
    return ids[last], rows[torch.from_numpy(last)]


def checked_queries(queries: Vectors, top_k: int, *, embed_dim: int) -> torch.Tensor:
    """Validate queries and return them as (q, embed_dim) float32, unit length. Raises as `VectorIndex.search`."""
    rows = _float_rows(queries)
    if rows.ndim != 2 or rows.shape[1] != embed_dim:
        what = f"A query of shape {tuple(rows.shape)} does not match an index of shape (n, {embed_dim})."
        raise QueryError("bad_request", what, remedy="Encode it with the index's model.")
    if top_k < 1:
        raise QueryError("bad_request", f"top_k is {top_k}, but must be at least 1.", remedy="Request 1 or more results.")
    # In float64, where the square of a finite float32 neither overflows nor underflows.
    lengths = torch.linalg.vector_norm(rows.double(), dim=1, keepdim=True)
    if not bool((torch.isfinite(lengths) & (lengths > 0)).all()):
        raise QueryError("bad_request", "The query has no finite direction.", remedy="Check the model that made it.")
    directions: torch.Tensor = rows.double() / lengths
    return directions.float()


def are_unit(rows: torch.Tensor) -> bool:
    """Whether every row of (n, embed_dim) is finite and of unit length up to rounding. True for no rows."""
    # NaN and infinity fail this comparison.
    return all(
        bool(((torch.linalg.vector_norm(block, dim=1) - 1.0).abs() <= UNIT_ROUNDING).all()) for block in blocks(rows, 65_536)
    )


def _float_rows(vectors: Vectors) -> torch.Tensor:
    """Convert to a float32 CPU tensor; copies only if torch cannot use the memory safely."""
    if isinstance(vectors, torch.Tensor):
        return vectors.detach().to("cpu", torch.float32)
    return torch.from_numpy(np.require(vectors, dtype=np.float32, requirements=["C", "W"]))
