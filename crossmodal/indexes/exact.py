"""The exact index: every embedding is compared with the query. The reference for all others."""

import threading
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch

from crossmodal.indexes import nearest, tensor_file
from crossmodal.indexes.base import Hits, Ids, VectorIndex, Vectors, checked_queries, checked_rows
from crossmodal.indexes.segments import Base, Segment, Tail
from crossmodal.indexes.tag import IndexTag
from crossmodal.threads import torch_threads

# Scores of one block of queries are kept below this.
_MAX_SCORE_BYTES = 64 * 2**20
_MIN_TAIL_ROWS = 8192
_MIN_DEAD_ROWS = 1024


class ExactIndex(VectorIndex):
    """A large still base, memory-mapped when it was loaded, and a small growing tail; see `VectorIndex`.

    A search is one product over each. Adding is amortised O(1): when the tail has grown to half the base, both are merged. Memory
    is 4 * embed_dim bytes an item, and up to three times that while a merge lasts.
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
        # One read of one attribute: whatever is added from here on, this search does not see it.
        view = self._view
        if allowed is not None:
            ids = np.asarray(allowed, dtype=np.int64)
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
        tensor_file.write(path, kind=self.kind, tag=tag, item_ids=rows.item_ids, embeddings=rows.embeddings)

    @classmethod
    def load(cls, path: Path, *, store_uuid: str, model_id: str, embed_dim: int) -> tuple[Self, IndexTag]:
        tag, item_ids, embeddings = tensor_file.read(
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
        """Show searches what changed, merged where that has become worth a copy."""
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
    # (q, n) over all segments; copying for nothing would cost as much as a good part of the product
    together = scores[0] if len(scores) == 1 else torch.cat(scores, dim=1)
    return [_best(parts, query, row, wanted, exclude)[:top_k] for query, row in zip(queries, together, strict=True)]


def _best(parts: Sequence[Segment], query: torch.Tensor, scores: torch.Tensor, wanted: int, exclude: frozenset[int]) -> Hits:
    """At least the `wanted` best rows that are not excluded, best first, equal ones by id."""
    positions = nearest.candidates(scores, wanted, embed_dim=len(query))
    hits: Hits = []
    start = 0
    for segment in parts:
        end = start + len(segment.item_ids)
        here = positions[(positions >= start) & (positions < end)] - start
        hits += zip(segment.item_ids[here].tolist(), nearest.cosines(query, segment.embeddings[here]), strict=True)
        start = end
    return sorted((hit for hit in hits if hit[0] not in exclude), key=lambda hit: (-hit[1], hit[0]))
