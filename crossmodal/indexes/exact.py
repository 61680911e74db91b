"""The exact index: compares the query with every embedding. The reference for any other index."""

import threading
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
import torch

from crossmodal.indexes import cache_file, nearest
from crossmodal.indexes.base import Hits, Ids, IndexTag, VectorIndex, Vectors, checked_queries, checked_rows
from crossmodal.runtimes.torch import torch_threads

Int64 = npt.NDArray[np.int64]
_FIRST_CAPACITY = 256
# Gathering one row costs about as much as multiplying several contiguous rows.
_WORTH_GATHERING = 8
# Looking up one id among ascending ones costs about as much as passing over several.
_WORTH_SEARCHING = 16


class Segment(NamedTuple):
    """An immutable snapshot of rows. Later writes go elsewhere or beyond these rows.

    Attributes:
        item_ids: (n,) int64.
        embeddings: (n, embed_dim) float32.
        dead: (m,) int64, positions of removed rows.
    """

    item_ids: torch.Tensor
    embeddings: torch.Tensor
    dead: torch.Tensor

    @property
    def alive(self) -> int:
        """Number of rows not removed."""
        return len(self.item_ids) - len(self.dead)

    def scores(self, queries: torch.Tensor) -> torch.Tensor:
        """(q, n) products with (q, embed_dim) queries; -inf for removed rows."""
        scores = queries @ self.embeddings.T
        return scores.index_fill_(1, self.dead, -torch.inf) if len(self.dead) else scores

    def restricted(self, allowed: Int64) -> "Segment":
        """Restrict to rows with an allowed id; copies them if they are few."""
        ids = self.item_ids.numpy()
        if len(ids) > _WORTH_SEARCHING * len(allowed) and bool((ids[1:] > ids[:-1]).all()):
            wanted, counts = np.unique(allowed), np.zeros(len(ids), dtype=np.bool_)
            places = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
            counts[places[ids[places] == wanted]] = True
        else:
            counts = np.isin(ids, allowed)
        counts[self.dead.numpy()] = False
        if np.count_nonzero(counts) * _WORTH_GATHERING > len(counts):
            return self._replace(dead=torch.from_numpy(np.flatnonzero(~counts)))
        kept = torch.from_numpy(np.flatnonzero(counts))
        return Segment(self.item_ids[kept], self.embeddings[kept], self.dead[:0])


class Base:
    """Rows sorted by id; rows can be removed, but not added.

    Shape:
        item_ids: (n,) ascending. embeddings: (n, embed_dim).
    """

    def __init__(self, item_ids: torch.Tensor, embeddings: torch.Tensor) -> None:
        self._ids: Int64 = item_ids.numpy()
        self._is_alive = np.ones(len(item_ids), dtype=np.bool_)
        self.segment = Segment(item_ids, embeddings, torch.empty(0, dtype=torch.int64))

    @classmethod
    def merged(cls, parts: list[Segment]) -> Self:
        """Merge the remaining rows of all parts; every id may occur at most once."""
        living = [_living(part) for part in parts]
        item_ids = torch.cat([ids for ids, _ in living])
        embeddings = torch.cat([rows for _, rows in living])
        # New items have higher ids than all earlier ones, so sorting is rarely needed.
        if bool((item_ids.diff() < 0).any()):
            item_ids, order = item_ids.sort()
            embeddings = embeddings[order]
        return cls(item_ids, embeddings)

    def drop(self, item_ids: Int64) -> None:
        """Remove the rows with these ids; unknown ids are ignored."""
        if not len(self._ids):
            return
        positions = np.minimum(np.searchsorted(self._ids, item_ids), len(self._ids) - 1)
        positions = np.unique(positions[(self._ids[positions] == item_ids) & self._is_alive[positions]])
        if len(positions):
            self._is_alive[positions] = False
            self.segment = _with_dead(self.segment, positions)


class Tail:
    """Rows in insertion order, in a buffer that doubles when full."""

    def __init__(self, embed_dim: int) -> None:
        self._item_ids = torch.empty(_FIRST_CAPACITY, dtype=torch.int64)
        self._embeddings = torch.empty(_FIRST_CAPACITY, embed_dim)
        self._positions: dict[int, int] = {}
        self.segment = Segment(self._item_ids[:0], self._embeddings[:0], torch.empty(0, dtype=torch.int64))

    def append(self, item_ids: Int64, embeddings: torch.Tensor) -> None:
        """Append (n,) new ids with (n, embed_dim) rows."""
        start = len(self.segment.item_ids)
        end = start + len(item_ids)
        self._reserve(end)
        self._item_ids[start:end] = torch.from_numpy(item_ids)
        self._embeddings[start:end] = embeddings
        self._positions.update(zip(item_ids.tolist(), range(start, end), strict=True))
        self.segment = Segment(self._item_ids[:end], self._embeddings[:end], self.segment.dead)

    def drop(self, item_ids: Int64) -> None:
        """Remove the rows with these ids; unknown ids are ignored."""
        positions = [self._positions.pop(item_id) for item_id in item_ids.tolist() if item_id in self._positions]
        if positions:
            self.segment = _with_dead(self.segment, np.array(positions, dtype=np.int64))

    def _reserve(self, capacity: int) -> None:
        if capacity <= len(self._item_ids):
            return
        # New buffers instead of resizing: concurrent searches still read the old ones.
        capacity = max(capacity, 2 * len(self._item_ids))
        count = len(self.segment.item_ids)
        item_ids, embeddings = self._item_ids.new_empty(capacity), self._embeddings.new_empty(capacity, self._embeddings.shape[1])
        item_ids[:count], embeddings[:count] = self._item_ids[:count], self._embeddings[:count]
        self._item_ids, self._embeddings = item_ids, embeddings


def _with_dead(segment: Segment, positions: Int64) -> Segment:
    return segment._replace(dead=torch.cat([segment.dead, torch.from_numpy(positions)]))


def _living(segment: Segment) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and rows that are not removed."""
    if not len(segment.dead):
        return segment.item_ids, segment.embeddings
    counts = torch.ones(len(segment.item_ids), dtype=torch.bool).index_fill_(0, segment.dead, False)
    return segment.item_ids[counts], segment.embeddings[counts]


# Scores of one block of queries are kept below this.
_MAX_SCORE_BYTES = 64 * 2**20
_MIN_TAIL_ROWS = 8192
_MIN_DEAD_ROWS = 1024


class ExactIndex(VectorIndex):
    """A large fixed base (memory-mapped if loaded from a file) and a small growing tail; see `VectorIndex`.

    A search is one matrix product with each. Adding is amortised O(1): both are merged when the tail reaches half the base. Memory
    is 4 * embed_dim bytes per item, and up to three times that during a merge.
    """

    kind = "exact"

    def __init__(self, embed_dim: int) -> None:
        super().__init__(embed_dim)
        self._lock = threading.Lock()
        self._start_with(Base(torch.empty(0, dtype=torch.int64), torch.empty(0, embed_dim)))

    def apply(self, removed_ids: Ids, item_ids: Ids, embeddings: Vectors) -> None:
        ids, rows = checked_rows(item_ids, embeddings, embed_dim=self.embed_dim)
        dropped = np.concatenate([np.asarray(removed_ids, dtype=np.int64), ids])
        if not len(dropped):
            return
        with self._lock:
            self._base.drop(dropped)
            self._tail.drop(dropped)
            if len(ids):
                self._tail.append(ids, rows)
            self._settle()

    def search(self, queries: Vectors, top_k: int, *, exclude: Collection[int] = (), allowed: Ids | None = None) -> list[Hits]:
        rows = checked_queries(queries, top_k, embed_dim=self.embed_dim)
        # A single attribute read takes the snapshot: this search does not see later changes.
        view = self._view
        if allowed is not None:
            ids = np.asarray(allowed, dtype=np.int64)
            with torch_threads(1):
                view = tuple(segment.restricted(ids) for segment in view)
        excluded = frozenset(exclude)
        if len(rows) == 1:
            with torch_threads(1):
                return _search_block(view, rows, top_k, excluded)
        total = sum(len(segment.item_ids) for segment in view)
        block_size = max(1, _MAX_SCORE_BYTES // (4 * max(1, total)))
        return [hits for block in nearest.blocks(rows, block_size) for hits in _search_block(view, block, top_k, excluded)]

    def __len__(self) -> int:
        return sum(segment.alive for segment in self._view)

    def save(self, path: Path, *, tag: IndexTag) -> None:
        with self._lock:
            self._merge()
            rows = self._base.segment
        cache_file.write(path, kind=self.kind, tag=tag, item_ids=rows.item_ids, embeddings=rows.embeddings)

    @classmethod
    def load(cls, path: Path, *, store_uuid: str, model_id: str, embed_dim: int) -> tuple[Self, IndexTag]:
        tag, item_ids, embeddings = cache_file.read(
            path, kind=cls.kind, store_uuid=store_uuid, model_id=model_id, embed_dim=embed_dim
        )
        index = cls(embed_dim)
        index._start_with(Base(item_ids, embeddings))
        return index, tag

    def _start_with(self, base: Base) -> None:
        self._base = base
        self._tail = Tail(self.embed_dim)
        self._view: tuple[Segment, ...] = (base.segment, self._tail.segment)

    def _settle(self) -> None:
        """Publish changes to searches; merge base and tail if the tail has grown large enough."""
        base, tail = self._base.segment, self._tail.segment
        total = len(base.item_ids) + len(tail.item_ids)
        grown = len(tail.item_ids) > max(_MIN_TAIL_ROWS, len(base.item_ids) // 2)
        thinned = len(base.dead) + len(tail.dead) > max(_MIN_DEAD_ROWS, total // 4)
        if grown or thinned:
            self._merge()
        else:
            self._view = (base, tail)

    def _merge(self) -> None:
        parts = [self._base.segment, self._tail.segment]
        if len(parts[1].item_ids) or len(parts[0].dead):
            self._start_with(Base.merged(parts))


def _search_block(view: Sequence[Segment], queries: torch.Tensor, top_k: int, exclude: frozenset[int]) -> list[Hits]:
    """Hits of each of (q, embed_dim) unit queries."""
    parts = [segment for segment in view if len(segment.item_ids)]
    wanted = min(top_k + len(exclude), sum(segment.alive for segment in parts))
    if not wanted:
        return [[] for _ in queries]
    scores = [segment.scores(queries) for segment in parts]
    # (q, n) over all segments; avoid needless concatenation, which costs a good part of the product
    together = scores[0] if len(scores) == 1 else torch.cat(scores, dim=1)
    return [_best(parts, query, row, wanted, exclude)[:top_k] for query, row in zip(queries, together, strict=True)]


def _best(parts: Sequence[Segment], query: torch.Tensor, scores: torch.Tensor, wanted: int, exclude: frozenset[int]) -> Hits:
    """At least the `wanted` best rows that are not excluded, best first, ties ordered by id."""
    positions = nearest.candidates(scores, wanted, embed_dim=len(query))
    hits: Hits = []
    start = 0
    for segment in parts:
        end = start + len(segment.item_ids)
        here = positions[(positions >= start) & (positions < end)] - start
        hits += zip(segment.item_ids[here].tolist(), nearest.cosines(query, segment.embeddings[here]), strict=True)
        start = end
    return sorted((hit for hit in hits if hit[0] not in exclude), key=lambda hit: (-hit[1], hit[0]))
