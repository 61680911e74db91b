"""The two parts of an exact index, as the one writer keeps them, and the still view of each that searches work on."""

from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
import torch

Int64 = npt.NDArray[np.int64]
_FIRST_CAPACITY = 256
# Gathering a row costs about as much as multiplying some rows that lie where they are.
_WORTH_GATHERING = 8


class Segment(NamedTuple):
    """Rows as they were at one moment. What is written later is written elsewhere, or beyond these rows.

    Attributes:
        item_ids: (n,) int64.
        embeddings: (n, embed_dim) float32.
        dead: (m,) int64, positions that do not count any more.
    """

    item_ids: torch.Tensor
    embeddings: torch.Tensor
    dead: torch.Tensor

    @property
    def alive(self) -> int:
        """How many rows count."""
        return len(self.item_ids) - len(self.dead)

    def scores(self, queries: torch.Tensor) -> torch.Tensor:
        """(q, n) products with (q, embed_dim) queries; -inf where a row does not count."""
        scores = queries @ self.embeddings.T
        return scores.index_fill_(1, self.dead, -torch.inf) if len(self.dead) else scores

    def restricted(self, allowed: Int64) -> "Segment":
        """The same rows, of which only those with an allowed id count; copied when they are few."""
        counts = np.isin(self.item_ids.numpy(), allowed)
        counts[self.dead.numpy()] = False
        if np.count_nonzero(counts) * _WORTH_GATHERING > len(counts):
            return self._replace(dead=torch.from_numpy(np.flatnonzero(~counts)))
        kept = torch.from_numpy(np.flatnonzero(counts))
        return Segment(self.item_ids[kept], self.embeddings[kept], self.dead[:0])


class Base:
    """Rows in the order of their ids, which only ever lose members.

    Shape:
        item_ids: (n,) ascending. embeddings: (n, embed_dim).
    """

    def __init__(self, item_ids: torch.Tensor, embeddings: torch.Tensor) -> None:
        self._ids: Int64 = item_ids.numpy()
        self._is_alive = np.ones(len(item_ids), dtype=np.bool_)
        self.segment = Segment(item_ids, embeddings, torch.empty(0, dtype=torch.int64))

    @classmethod
    def merged(cls, parts: list[Segment]) -> Self:
        """One base of the rows that count in all parts, where every id counts at most once."""
        living = [_living(part) for part in parts]
        item_ids = torch.cat([ids for ids, _ in living])
        embeddings = torch.cat([rows for _, rows in living])
        # New items have higher ids than all before them, so that sorting is seldom needed.
        if bool((item_ids.diff() < 0).any()):
            item_ids, order = item_ids.sort()
            embeddings = embeddings[order]
        return cls(item_ids, embeddings)

    def drop(self, item_ids: Int64) -> None:
        """Let go of those of the ids that are here."""
        if not len(self._ids):
            return
        positions = np.minimum(np.searchsorted(self._ids, item_ids), len(self._ids) - 1)
        positions = np.unique(positions[(self._ids[positions] == item_ids) & self._is_alive[positions]])
        if len(positions):
            self._is_alive[positions] = False
            self.segment = _with_dead(self.segment, positions)


class Tail:
    """Rows in the order they came, in a buffer that doubles when it is full."""

    def __init__(self, embed_dim: int) -> None:
        self._item_ids = torch.empty(_FIRST_CAPACITY, dtype=torch.int64)
        self._embeddings = torch.empty(_FIRST_CAPACITY, embed_dim)
        self._positions: dict[int, int] = {}
        self.segment = Segment(self._item_ids[:0], self._embeddings[:0], torch.empty(0, dtype=torch.int64))

    def append(self, item_ids: Int64, embeddings: torch.Tensor) -> None:
        """Add (n,) ids, none of which is here, with (n, embed_dim) rows."""
        start = len(self.segment.item_ids)
        end = start + len(item_ids)
        self._reserve(end)
        self._item_ids[start:end] = torch.from_numpy(item_ids)
        self._embeddings[start:end] = embeddings
        self._positions.update(zip(item_ids.tolist(), range(start, end), strict=True))
        self.segment = Segment(self._item_ids[:end], self._embeddings[:end], self.segment.dead)

    def drop(self, item_ids: Int64) -> None:
        """Let go of those of the ids that are here."""
        positions = [self._positions.pop(item_id) for item_id in item_ids.tolist() if item_id in self._positions]
        if positions:
            self.segment = _with_dead(self.segment, np.array(positions, dtype=np.int64))

    def _reserve(self, capacity: int) -> None:
        if capacity <= len(self._item_ids):
            return
        # New buffers rather than resized ones: searches still read the old.
        capacity = max(capacity, 2 * len(self._item_ids))
        count = len(self.segment.item_ids)
        item_ids, embeddings = self._item_ids.new_empty(capacity), self._embeddings.new_empty(capacity, self._embeddings.shape[1])
        item_ids[:count], embeddings[:count] = self._item_ids[:count], self._embeddings[:count]
        self._item_ids, self._embeddings = item_ids, embeddings


def _with_dead(segment: Segment, positions: Int64) -> Segment:
    return segment._replace(dead=torch.cat([segment.dead, torch.from_numpy(positions)]))


def _living(segment: Segment) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and rows that count."""
    if not len(segment.dead):
        return segment.item_ids, segment.embeddings
    counts = torch.ones(len(segment.item_ids), dtype=torch.bool).index_fill_(0, segment.dead, False)
    return segment.item_ids[counts], segment.embeddings[counts]
