"""The retrieval metrics stored with a model and monitored during training: text to image, from the ranks of `ranking`.

Ties and non-finite scores therefore count against the model, as in full evaluations.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from crossmodal.evaluation.bootstrap import chance_of, median
from crossmodal.evaluation.ranking import RelevantPairs, rank_both_ways
from crossmodal.evaluation.result import per_query

_KS = (1, 5, 10)


@dataclass(frozen=True, slots=True)
class RetrievalFigures:
    """Retrieval metrics of one direction, with chance levels.

    Attributes:
        queries, gallery: number of queries and of items searched.
        recall_at_1, recall_at_5, recall_at_10: share of queries, in [0, 1], with a relevant item among the first k.
        median_rank: of the best relevant item, 1 is best.
        mean_reciprocal_rank: mean of 1 / rank, in (0, 1].
        chance_at_1, chance_at_5, chance_at_10: expected recalls of a random order.
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


def retrieval_figures(queries: Tensor, gallery: Tensor, relevant: Tensor) -> RetrievalFigures:
    """Compute the metrics of one direction by inner product. Without queries every metric is 0.0.

    Shape:
        queries: (q, d); gallery: (g, d), any floating dtype; unit length, since `ranking.TIE` assumes cosines.
        relevant: (q, g) bool, at least one True per row.

    Raises:
        ValueError: the shapes do not match, or a query has no relevant item.
    """
    if relevant.shape != (len(queries), len(gallery)) or not bool(relevant.any(dim=1).all()):
        raise ValueError(
            f"relevant must be ({len(queries)}, {len(gallery)}) with at least one True per row, not {tuple(relevant.shape)}"
        )
    if not len(queries):
        return RetrievalFigures(0, len(gallery), *[0.0] * 8)
    found, wanted = relevant.T.cpu().nonzero(as_tuple=True)
    pairs = RelevantPairs(found, wanted, len(gallery), len(queries))
    ranked, _ = rank_both_ways(gallery.detach().cpu(), queries.detach().cpu(), pairs)
    brought, chance = per_query(ranked, _KS), chance_of(ranked.relevant, ranked.gallery)
    recalls = {k: float(brought[f"recall_at_{k}"].mean()) for k in _KS}
    return RetrievalFigures(
        queries=len(queries),
        gallery=len(gallery),
        recall_at_1=recalls[1],
        recall_at_5=recalls[5],
        recall_at_10=recalls[10],
        median_rank=median(ranked.best),
        mean_reciprocal_rank=float(brought["mean_reciprocal_rank"].mean()),
        chance_at_1=chance.recall(1),
        chance_at_5=chance.recall(5),
        chance_at_10=chance.recall(10),
    )


def relevance(query_groups: Sequence[int], gallery_groups: Sequence[int]) -> Tensor:
    """(q, g) bool: which gallery items belong to each query's group."""
    return torch.tensor(query_groups)[:, None] == torch.tensor(gallery_groups)[None, :]
