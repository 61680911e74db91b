"""Retrieval metrics from the full score matrix, sorted row by row: the reference for the product's tiled computation."""

import torch
from torch import Tensor

from crossmodal.evaluation.ranking import TIE


def full_matrix_figures(
    queries: Tensor, gallery: Tensor, relevant: Tensor, k_values: tuple[int, ...] = (1, 5, 10)
) -> dict[str, float]:
    """All metrics of one direction by name. Keeps the matrix, its order and its relevance in memory.

    Shape:
        queries: (q, d), gallery: (g, d), length 1; relevant: (q, g) bool, at least one True per row.
    """
    scores = queries.double() @ gallery.double().T
    scores = torch.where(scores.isfinite(), scores, torch.where(relevant, -torch.inf, torch.inf))
    scores += torch.where(relevant, 0.0, TIE)
    # Irrelevant items first, then sorted by score with a stable sort: among ties the irrelevant ones rank first.
    order = relevant.byte().argsort(dim=1, stable=True)
    order = order.gather(1, scores.gather(1, order).argsort(dim=1, descending=True, stable=True))
    found = relevant.gather(1, order).double()
    place = torch.arange(1, len(gallery) + 1, dtype=torch.float64)
    discount = 1 / torch.log2(place + 1)
    many = found.sum(dim=1)
    best = found.argmax(dim=1) + 1
    figures = {f"recall_at_{k}": (best <= k).double().mean() for k in k_values}
    figures["median_rank"] = best.double().quantile(0.5)
    figures["mean_rank"] = best.double().mean()
    figures["mean_reciprocal_rank"] = (1 / best.double()).mean()
    figures["mean_average_precision"] = ((found.cumsum(dim=1) / place * found).sum(dim=1) / many).mean()
    figures["ndcg"] = ((found * discount).sum(dim=1) / discount.cumsum(0)[many.long() - 1]).mean()
    return {name: float(figure) for name, figure in figures.items()}
