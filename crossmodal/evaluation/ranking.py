"""Ranks of relevant items in both directions, computed tile by tile without holding the full score matrix.

A relevant item's rank is 1 + the relevant items before it + the irrelevant items with an equal or higher score, so counting is enough.
Only relevant pairs are listed; every other pair is irrelevant.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

TIE = 1e-6
"""Scores closer than this are ties: unit-length float32 embeddings have no better resolution, and re-encoding differs by as much."""

_STRIP = 128  # rows compared at once: a strip and its mask fit into the CPU cache, which is ten times faster
_MOST_PAIRS = 2**27
_MOST_SLOTS = 8  # above this many relevant items per row, sorting the row is faster than comparing it with each


@dataclass(frozen=True, slots=True)
class RelevantPairs:
    """Pairs of a picture and a text that are relevant to each other, sorted by picture, then text.

    Attributes:
        image, text: (p,) int64, the two sides of each pair.
        images, texts: total number of each, with or without a partner.
    """

    image: Tensor
    text: Tensor
    images: int
    texts: int

    @classmethod
    def of_groups(cls, image_groups: Tensor, text_groups: Tensor) -> "RelevantPairs":
        """All pairs with equal group numbers, from (n,) and (m,) int64. A group present on one side only gives no pair.

        Raises:
            ValueError: not one-dimensional, or more than 2**27 pairs.
        """
        if image_groups.ndim != 1 or text_groups.ndim != 1:
            raise ValueError(f"groups must be (n,) and (m,), not {tuple(image_groups.shape)} and {tuple(text_groups.shape)}")
        sorted_groups, order = text_groups.sort(stable=True)
        first = torch.searchsorted(sorted_groups, image_groups)
        many = torch.searchsorted(sorted_groups, image_groups, right=True) - first
        if (total := int(many.sum())) > _MOST_PAIRS:
            raise ValueError(f"{total:,} relevant pairs are too many: the groups are too large")
        image = torch.repeat_interleave(torch.arange(len(image_groups)), many)
        text = order[torch.arange(total) + torch.repeat_interleave(first - (many.cumsum(0) - many), many)]
        return cls(image, text, len(image_groups), len(text_groups))


@dataclass(frozen=True, slots=True)
class Ranks:
    """Ranks (1 is best) of the relevant items of every query that has any.

    Attributes:
        asked: (q,) int64 ascending, the queries that have a relevant item.
        starts: (q + 1,) int64; query i's ranks are `ranks[starts[i] : starts[i + 1]]`.
        ranks: (p,) int64, ascending within a query, in 1..gallery.
        gallery: how many items were ranked.
    """

    asked: Tensor
    starts: Tensor
    ranks: Tensor
    gallery: int

    @property
    def best(self) -> Tensor:
        """(q,) int64, the rank of each query's best relevant item."""
        return self.ranks[self.starts[:-1]]

    @property
    def relevant(self) -> Tensor:
        """(q,) int64, how many relevant items each query has, at least 1."""
        return self.starts.diff()


class _Side:
    """The pairs of one direction: for each row, the scores of its relevant items and the count of irrelevant items that reach them."""

    def __init__(self, rows: Tensor, limits: Tensor, count: int) -> None:
        self.order = rows.argsort(stable=True)
        self.rows = rows[self.order]
        self.limits = limits[self.order]
        self.many = torch.bincount(rows, minlength=count)
        self.starts = self.many.cumsum(0) - self.many
        self.ahead = torch.zeros(len(rows), dtype=torch.int64)

    def count(self, scores: Tensor, first_row: int) -> None:
        """Add the counts of a tile of scores, which is -inf at relevant pairs; its row 0 is row `first_row`."""
        for start in range(0, len(scores), _STRIP):
            strip = scores[start : start + _STRIP]
            here = slice(first_row + start, first_row + start + len(strip))
            many, starts = self.many[here], self.starts[here]
            if int(many.max()) > _MOST_SLOTS:
                self._count_sorted(strip, many, starts)
                continue
            for slot in range(int(many.max())):
                has = many > slot
                at = starts[has] + slot
                reached = (strip if len(at) == len(strip) else strip[has]) >= self.limits[at][:, None]
                self.ahead[at] += reached.view(torch.uint8).sum(dim=1, dtype=torch.int32)

    def _count_sorted(self, strip: Tensor, many: Tensor, starts: Tensor) -> None:
        """The same for one strip by sorting: the items that reach a limit are those from its position in the sorted row on."""
        owner = torch.repeat_interleave(torch.arange(len(many)), many)
        here = slice(int(starts[0]), int(starts[0]) + len(owner))
        slot = torch.arange(here.start, here.stop) - starts[owner]
        limits = torch.full((len(many), int(many.max())), torch.inf, dtype=torch.float64)
        limits[owner, slot] = self.limits[here]
        below = torch.searchsorted(strip.sort(dim=1).values, limits)
        self.ahead[here] += strip.shape[1] - below[owner, slot]

    def ranks(self, gallery: int) -> Ranks:
        """Convert counts to ranks: the i-th best relevant item ranks behind the irrelevant items that reach it and i - 1 relevant ones."""
        by_count = self.ahead.argsort(stable=True)
        order = by_count[self.rows[by_count].argsort(stable=True)]
        place = torch.arange(len(order)) - self.starts[self.rows]
        asked = self.many.nonzero().flatten()
        starts = torch.cat((torch.zeros(1, dtype=torch.int64), self.many[asked].cumsum(0)))
        return Ranks(asked, starts, self.ahead[order] + place + 1, gallery)


def pair_scores(images: Tensor, texts: Tensor, pairs: RelevantPairs, *, chunk: int = 16_384) -> Tensor:
    """(p,) float64 inner products of the pairs, from (n, d) and (m, d); not finite where an embedding is not."""
    parts = [
        (images[i].double() * texts[t].double()).sum(dim=1)
        for i, t in zip(torch.split(pairs.image, chunk), torch.split(pairs.text, chunk), strict=True)
    ]
    return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.float64)


def rank_both_ways(
    images: Tensor, texts: Tensor, pairs: RelevantPairs, *, rows: int = 1024, columns: int = 2048
) -> tuple[Ranks, Ranks]:
    """Ranks from text to image and from image to text, by inner product.

    Ties (see `TIE`) count against the model: an irrelevant item with the same score ranks before the relevant one. Non-finite
    scores do too:
    a relevant item ranks last, an irrelevant one first. Products are computed in float64, so that the order of summation never decides a
    tie.

    Memory: some 50 bytes per pair and `rows` × `columns` × 16 bytes, besides the embeddings.

    Shape:
        images: (n, d), texts: (m, d), any floating dtype, on the CPU; unit length, since `TIE` assumes cosines.

    Raises:
        ValueError: the shapes do not match each other or `pairs`.
    """
    if images.ndim != 2 or texts.ndim != 2 or images.shape[1] != texts.shape[1]:
        raise ValueError(f"embeddings must be (n, d) and (m, d), not {tuple(images.shape)} and {tuple(texts.shape)}")
    if (pairs.images, pairs.texts) != (len(images), len(texts)):
        raise ValueError(f"the pairs are of {pairs.images} pictures and {pairs.texts} texts, not {len(images)} and {len(texts)}")
    scores = pair_scores(images, texts, pairs)
    limits = torch.where(scores.isfinite(), scores - TIE, torch.finfo(torch.float64).min)
    by_image, by_text = _Side(pairs.image, limits, len(images)), _Side(pairs.text, limits, len(texts))
    sound = all_finite(images) and all_finite(texts)
    for top in range(0, len(images), rows):
        wanted = images[top : top + rows].double()
        near = slice(*torch.searchsorted(pairs.image, torch.tensor([top, top + rows])).tolist())
        image, text = pairs.image[near] - top, pairs.text[near]
        for left in range(0, len(texts), columns):
            tile = wanted @ texts[left : left + columns].double().T
            if not sound:
                tile = torch.where(tile.isfinite(), tile, torch.inf)
            inside = (text >= left) & (text < left + columns)
            tile[image[inside], text[inside] - left] = -torch.inf
            by_image.count(tile, top)
            by_text.count(tile.T.contiguous(), left)
    return by_text.ranks(len(images)), by_image.ranks(len(texts))


def all_finite(rows: Tensor, *, chunk: int = 65_536) -> bool:
    """Whether all values of (n, d) are finite; checked in chunks."""
    return all(bool(piece.isfinite().all()) for piece in torch.split(rows, chunk))
