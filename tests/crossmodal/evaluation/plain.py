"""Every retrieval figure in plain loops, one query at a time: slow, and easy to believe."""

import math
import random
import statistics

import torch
from torch import Tensor

from crossmodal.evaluation.ranking import TIE

Scores = list[list[float]]


def plain_order(scores: list[float], relevant: list[bool]) -> list[bool]:
    """Relevance from first to last: best scores first, among equals the irrelevant first, what is no number against us."""

    def key(i: int) -> tuple[float, bool]:
        if not math.isfinite(scores[i]):
            return (math.inf if relevant[i] else -math.inf), relevant[i]
        return -scores[i] - (0.0 if relevant[i] else TIE), relevant[i]

    return [relevant[i] for i in sorted(range(len(scores)), key=key)]


def plain_ranks(scores: Scores, relevant: list[list[bool]]) -> list[list[int]]:
    """Ranks of the relevant items, of each query that has one."""
    orders = [plain_order(row, wanted) for row, wanted in zip(scores, relevant, strict=True) if any(wanted)]
    return [[place for place, wanted in enumerate(order, start=1) if wanted] for order in orders]


def plain_figures(ranks: list[list[int]], k_values: list[int]) -> dict[str, float]:
    """Every figure of one direction by name."""
    best = [found[0] for found in ranks]
    figures = {f"recall_at_{k}": sum(rank <= k for rank in best) / len(best) for k in k_values}
    figures["median_rank"] = statistics.median(best)
    figures["mean_rank"] = statistics.mean(best)
    figures["mean_reciprocal_rank"] = statistics.mean(1 / rank for rank in best)
    precisions = [statistics.mean(i / rank for i, rank in enumerate(found, start=1)) for found in ranks]
    figures["mean_average_precision"] = statistics.mean(precisions)
    gains = [
        sum(1 / math.log2(1 + rank) for rank in found) / sum(1 / math.log2(1 + i) for i in range(1, len(found) + 1))
        for found in ranks
    ]
    figures["ndcg"] = statistics.mean(gains)
    return figures


def whole_numbered(n: int, dim: int, levels: int, seed: int) -> Tensor:
    """(n, dim) float32 of small whole numbers: products are exact and ties many."""
    rng = random.Random(seed)
    return torch.tensor([[rng.randint(-levels, levels) for _ in range(dim)] for _ in range(n)], dtype=torch.float32).reshape(n, dim)


def plain_scores(queries: Tensor, gallery: Tensor) -> Scores:
    """Inner products in Python's own floats."""
    return [[sum(a * b for a, b in zip(x, y, strict=True)) for y in gallery.tolist()] for x in queries.tolist()]
