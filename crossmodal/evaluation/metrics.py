"""Retrieval figures from ranks. Ties count against us: a relevant item ranks behind every other item of its score, and one whose score is
no number ranks last."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class RetrievalFigures:
    """How well one direction retrieves, with chance beside each figure.

    Attributes:
        queries, gallery: how many questions were asked, among how many items.
        recall_at_1, recall_at_5, recall_at_10: share of queries, in [0, 1], with a relevant item among the first k.
        median_rank: of the best relevant item, 1 is best.
        mean_reciprocal_rank: mean of 1 / rank, in (0, 1].
        chance_at_1, chance_at_5, chance_at_10: the same shares for an order drawn by lot.
    """

    queries: int
    gallery: int
    recall_at_1: float
    recall_at_5: float
    recall_at_10: float
    median_rank: float
    mean_reciprocal_rank: float
    chance_at_1: float
    chance_at_5: float
    chance_at_10: float


def ranks(queries: Tensor, gallery: Tensor, relevant: Tensor, *, chunk: int = 1024) -> Tensor:
    """Rank of each query's best relevant item by inner product, 1 is best, ties pessimistic.

    Shape:
        queries: (q, d); gallery: (g, d); relevant: (q, g) bool, at least one True a row.

    Returns:
        (q,) int64 in 1..g.

    Raises:
        ValueError: shapes do not fit, or a query has no relevant item.
    """
    if relevant.shape != (len(queries), len(gallery)) or not bool(relevant.any(dim=1).all()):
        raise ValueError(f"relevant must be ({len(queries)}, {len(gallery)}) with one True a row, not {tuple(relevant.shape)}")
    answers = []
    for start in range(0, len(queries), chunk):
        scores = queries[start : start + chunk] @ gallery.T
        wanted = relevant[start : start + chunk]
        best = scores.masked_fill(~wanted, float("-inf")).amax(dim=1, keepdim=True)
        answers.append((~(scores < best) & ~wanted).sum(dim=1) + 1)  # not `>=`: with NaN that would count nothing and rank first
    return torch.cat(answers) if answers else torch.zeros(0, dtype=torch.int64)


def recall_at_k(found: Tensor, k: int) -> float:
    """Share of ranks ≤ k, in [0, 1]; 0.0 when there are none."""
    return float((found <= k).double().mean()) if len(found) else 0.0


def chance_at_k(relevant: Tensor, k: int) -> float:
    """Expected recall@k of a random order: mean over queries of 1 - C(g-r, k) / C(g, k), r relevant items of g (hypergeometric)."""
    gallery = relevant.shape[1]
    missed = []
    for count in relevant.sum(dim=1).tolist():
        share = 1.0
        for i in range(min(k, gallery)):
            share *= max(gallery - count - i, 0) / (gallery - i)
        missed.append(share)
    return 1.0 - sum(missed) / len(missed) if missed else 0.0


def retrieval_figures(queries: Tensor, gallery: Tensor, relevant: Tensor) -> RetrievalFigures:
    """Every figure of one direction. Shapes and errors as in `ranks`."""
    found = ranks(queries, gallery, relevant)
    recalls = {k: (recall_at_k(found, k), chance_at_k(relevant, k)) for k in (1, 5, 10)}
    return RetrievalFigures(
        queries=len(queries),
        gallery=len(gallery),
        recall_at_1=recalls[1][0],
        recall_at_5=recalls[5][0],
        recall_at_10=recalls[10][0],
        median_rank=float(found.double().quantile(0.5)) if len(found) else 0.0,
        mean_reciprocal_rank=float((1.0 / found.double()).mean()) if len(found) else 0.0,
        chance_at_1=recalls[1][1],
        chance_at_5=recalls[5][1],
        chance_at_10=recalls[10][1],
    )


def relevance(query_groups: Sequence[int], gallery_groups: Sequence[int]) -> Tensor:
    """(q, g) bool: which gallery items belong to each query's group."""
    return torch.tensor(query_groups)[:, None] == torch.tensor(gallery_groups)[None, :]
