"""What every vector index promises. `tests/crossmodal/indexes/test_contract.py` holds each of them to it."""

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
    """Where in a catalog's feed of changes an index stands.

    Attributes:
        store_uuid: the catalog it was built from.
        model_id: the model whose embeddings it holds.
        seq, removal_seq: the position in the feed.
        mark, removal_mark: what lay in the feed at `seq` and at `removal_seq`, so that a catalog restored from an older copy is noticed.
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
    """Embeddings of one model under the ids of their items.

    Searches may run in many threads while one adds or removes: each sees the index as it was at one moment. Adding and removing are
    done by one thread at a time; the index sees to that itself.

    Attributes:
        kind: name of the engine.
        embed_dim: length of every embedding.
    """

    kind: ClassVar[str]

    def __init__(self, embed_dim: int) -> None:
        self.embed_dim = embed_dim

    @abstractmethod
    def apply(self, removed_ids: Ids, item_ids: Ids, embeddings: Vectors) -> None:
        """Let go of items, then take embeddings in, in one step: a search sees the index before it or after it.

        An id that is among both stays, with the new embedding. Shapes and errors as `remove` and `add`; nothing changes when it raises.
        """

    def add(self, item_ids: Ids, embeddings: Vectors) -> None:
        """Take embeddings in; an id that is there already gets the new one. Of an id given twice, the last counts.

        Shape:
            item_ids: (n,) above 0. embeddings: (n, embed_dim), finite, of length 1. n = 0 is fine.

        Raises:
            StoreError: `index_model_mismatch` (another embed_dim), `bad_request` (not finite, not length 1, counts that differ).
        """
        self.apply((), item_ids, embeddings)

    def remove(self, item_ids: Ids) -> None:
        """Let go of items; ids that are not there are fine."""
        self.apply(item_ids, (), np.empty((0, self.embed_dim), dtype=np.float32))

    @abstractmethod
    def search(self, queries: Vectors, top_k: int, *, exclude: Collection[int] = (), allowed: Ids | None = None) -> list[Hits]:
        """The nearest items of each query, best first; equal scores in the order of the ids.

        Shape:
            queries: (q, embed_dim), finite, not zero. Their length does not matter.

        Args:
            top_k: most hits a query, at least 1; more than there are items is fine.
            exclude: ids to pass over.
            allowed: the only ids that may be found, in any order, unknown ones included; None allows all, and none finds nothing.

        Returns:
            For each query a list of (item_id, score), empty for an empty index. The score is the cosine, in [-1, 1]; higher is
            better.

        Raises:
            QueryError: `bad_request`, for another shape, a query that is not finite or zero, or a `top_k` below 1.
        """

    @abstractmethod
    def __len__(self) -> int:
        """How many items it holds."""

    @abstractmethod
    def save(self, path: Path, *, tag: IndexTag) -> None:
        """Write it to a file in one step: a crash leaves the earlier file or the new one.

        Raises:
            StoreError: `disk_full`, `read_only`.
        """

    @classmethod
    @abstractmethod
    def load(cls, path: Path, *, store_uuid: str, model_id: str, embed_dim: int) -> tuple[Self, IndexTag]:
        """Read a file that `save` wrote, and trust nothing in it.

        Raises:
            StoreError: `index_missing`, `index_corrupt`, `index_model_mismatch`. Build it anew from the catalog then.
        """


def checked_rows(item_ids: Ids, embeddings: Vectors, *, embed_dim: int) -> tuple[npt.NDArray[np.int64], torch.Tensor]:
    """Ids as (n,) int64 and embeddings as (n, embed_dim) float32, as `VectorIndex.add` promises; raises what it says."""
    ids = np.asarray(item_ids, dtype=np.int64)
    rows = _float_rows(embeddings)
    if rows.ndim != 2 or ids.ndim != 1 or len(ids) != len(rows):
        what = f"{len(ids)} ids cannot be added with embeddings of the shape {tuple(rows.shape)}."
        raise StoreError("bad_request", what, remedy=f"Give one row of {embed_dim} numbers for each id.")
    if rows.shape[1] != embed_dim and len(rows):
        raise StoreError(
            "index_model_mismatch",
            f"The index holds embeddings of {embed_dim} numbers; these have {rows.shape[1]}.",
            remedy="Rebuild the index with the model in use.",
        )
    if not are_unit(rows):
        raise StoreError("bad_request", "An embedding is not a finite vector of length 1.", remedy="Check the model that made it.")
    if len(ids) and ids.min() <= 0:
        raise StoreError("bad_request", f"{ids.min()} is not the id of an item.", remedy="Ids begin at 1.")
    _, from_the_end = np.unique(ids[::-1], return_index=True)
    if len(from_the_end) == len(ids):
        return ids, rows
    last = len(ids) - 1 - from_the_end
    return ids[last], rows[torch.from_numpy(last)]


def checked_queries(queries: Vectors, top_k: int, *, embed_dim: int) -> torch.Tensor:
    """Queries as (q, embed_dim) float32 of length 1; raises what `VectorIndex.search` says."""
    rows = _float_rows(queries)
    if rows.ndim != 2 or rows.shape[1] != embed_dim:
        what = f"A query of the shape {tuple(rows.shape)} does not fit an index of (n, {embed_dim})."
        raise QueryError("bad_request", what, remedy="Encode it with the model of the index.")
    if top_k < 1:
        raise QueryError("bad_request", f"{top_k} results cannot be searched for.", remedy="Ask for 1 or more.")
    # In double, where the square of any finite float32 neither overflows nor vanishes.
    lengths = torch.linalg.vector_norm(rows.double(), dim=1, keepdim=True)
    if not bool((torch.isfinite(lengths) & (lengths > 0)).all()):
        raise QueryError("bad_request", "The query has no finite direction.", remedy="Check the model that made it.")
    directions: torch.Tensor = rows.double() / lengths
    return directions.float()


def are_unit(rows: torch.Tensor) -> bool:
    """Whether each row of (n, embed_dim) is finite and, but for rounding, of length 1. True for no rows."""
    # NaN and infinity fail the comparison.
    return all(
        bool(((torch.linalg.vector_norm(block, dim=1) - 1.0).abs() <= UNIT_ROUNDING).all()) for block in blocks(rows, 65_536)
    )


def _float_rows(vectors: Vectors) -> torch.Tensor:
    """As a float32 tensor on the CPU, copied only where torch could not use the memory safely."""
    if isinstance(vectors, torch.Tensor):
        return vectors.detach().to("cpu", torch.float32)
    return torch.from_numpy(np.require(vectors, dtype=np.float32, requirements=["C", "W"]))
