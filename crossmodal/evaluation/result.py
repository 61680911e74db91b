"""Results of an evaluation as frozen values."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from crossmodal.evaluation.bootstrap import CONFIDENCE, chance_of, intervals, median
from crossmodal.evaluation.ranking import TIE, Ranks
from crossmodal.evaluation.space import SpaceFigures


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric with its 95 % interval (NaN without resampling) and its expected value for a random order."""

    value: float
    low: float
    high: float
    chance: float

    def to_dict(self) -> dict[str, float | None]:
        """As JSON values; None for non-finite numbers."""
        numbers = {"value": self.value, "low": self.low, "high": self.high, "chance": self.chance}
        return {name: number if math.isfinite(number) else None for name, number in numbers.items()}


@dataclass(frozen=True, slots=True)
class DirectionFigures:
    """Metrics of one direction.

    Attributes:
        queries, gallery: number of queries and of items searched. Queries without a relevant item are left out.
        recall: k → share of queries, in [0, 1], with any relevant item among the first k.
        median_rank, mean_rank: of the best relevant item, 1 is best.
        mean_reciprocal_rank: mean of 1 / that rank, in (0, 1].
        mean_average_precision, ndcg: over all relevant items, in (0, 1].
        ranks: (queries,) int64, the best rank of each query, for plots; not part of `to_dict`.
        relevant: (queries,) int64, how many relevant items each query has; not part of `to_dict`.
    """

    queries: int
    gallery: int
    recall: Mapping[int, Figure]
    median_rank: Figure
    mean_rank: Figure
    mean_reciprocal_rank: Figure
    mean_average_precision: Figure
    ndcg: Figure
    ranks: Tensor = field(repr=False, compare=False)
    relevant: Tensor = field(repr=False, compare=False)

    def named(self) -> dict[str, Figure]:
        """All metrics by name, `recall_at_…` first, in table order."""
        return {f"recall_at_{k}": figure for k, figure in self.recall.items()} | {name: getattr(self, name) for name in _OTHERS}

    def to_dict(self) -> dict[str, object]:
        """As JSON values."""
        return {"queries": self.queries, "gallery": self.gallery} | {
            name: figure.to_dict() for name, figure in self.named().items()
        }


_OTHERS = ("median_rank", "mean_rank", "mean_reciprocal_rank", "mean_average_precision", "ndcg")


def per_query(ranked: Ranks, k_values: Sequence[int]) -> dict[str, Tensor]:
    """Metric values per query: name → (q,) float64; their mean is the metric.

    - `recall_at_k`: 1 when any relevant item is among the first k.
    - `mean_rank`, `mean_reciprocal_rank`: best rank and its reciprocal (Voorhees 1999, TREC-8).
    - `mean_average_precision`: mean over relevant items of i / rank of the i-th (Manning, Raghavan & Schütze 2008, chapter 8.4).
    - `ndcg`: Σ 1 / log2(1 + rank) over relevant items, divided by that of the ideal order (Järvelin & Kekäläinen 2002, binary gain).
    """
    best, many = ranked.best.double(), ranked.relevant
    owner = torch.repeat_interleave(torch.arange(len(many)), many)
    place = (torch.arange(len(ranked.ranks)) - ranked.starts[owner] + 1).double()
    ranks = ranked.ranks.double()

    def summed(values: Tensor) -> Tensor:
        return torch.zeros(len(many), dtype=torch.float64).index_add_(0, owner, values)

    values = {f"recall_at_{k}": (best <= k).double() for k in k_values}
    values["mean_rank"] = best
    values["mean_reciprocal_rank"] = 1 / best
    values["mean_average_precision"] = summed(place / ranks) / many
    values["ndcg"] = summed(1 / torch.log2(1 + ranks)) / summed(1 / torch.log2(1 + place))
    return values


def direction_figures(
    ranked: Ranks, clusters: Tensor, k_values: Sequence[int], *, resamples: int, seed: int
) -> tuple[DirectionFigures, Tensor]:
    """All metrics of one direction, and the sum of recalls per resample, (resamples,), for the interval of the recall sum.

    Shape:
        clusters: (q,) int64; queries with equal numbers are drawn together, see `bootstrap`.

    Raises:
        ValueError: there are no queries.
    """
    values = per_query(ranked, k_values)
    drawn = intervals(values, ranked.best, clusters, resamples=resamples, seed=seed)
    chance = chance_of(ranked.relevant, ranked.gallery)

    def figure(name: str, value: float, by_lot: float) -> Figure:
        low, high = drawn.interval(name)
        return Figure(value, low, high, by_lot)

    def mean(name: str, by_lot: float) -> Figure:
        return figure(name, float(values[name].mean()), by_lot)

    found = DirectionFigures(
        queries=len(ranked.asked),
        gallery=ranked.gallery,
        recall={k: mean(f"recall_at_{k}", chance.recall(k)) for k in k_values},
        median_rank=figure("median_rank", median(ranked.best), chance.median_rank),
        mean_rank=mean("mean_rank", chance.mean_rank),
        mean_reciprocal_rank=mean("mean_reciprocal_rank", chance.mean_reciprocal_rank),
        mean_average_precision=mean("mean_average_precision", chance.mean_average_precision),
        ndcg=mean("ndcg", chance.ndcg),
        ranks=ranked.best,
        relevant=ranked.relevant,
    )
    return found, torch.stack([drawn.figures[f"recall_at_{k}"] for k in k_values]).sum(dim=0)


@dataclass(frozen=True, slots=True)
class RetrievalResult:
    """Result of an evaluation.

    Attributes:
        text_to_image, image_to_text: the two directions.
        recall_sum: sum of all recalls of both directions, as shares: at most 2 × the number of k. Papers print it in percent, up to 600.
        alignment: mean squared distance of pairs, in [0, 4]; NaN if no pair is finite.
        images, texts: geometry of the two embedding spaces.
        resamples, seed: settings of the bootstrap.
    """

    text_to_image: DirectionFigures
    image_to_text: DirectionFigures
    recall_sum: Figure
    alignment: float
    images: SpaceFigures
    texts: SpaceFigures
    resamples: int
    seed: int

    @property
    def warnings(self) -> list[str]:
        """Problems that affect the metrics, one sentence each; empty if there are none."""
        found = []
        for name, space in (("image", self.images), ("text", self.texts)):
            if space.broken:
                found.append(
                    f"{space.broken} of {space.count} {name} embeddings contain a number that is not finite: they count against the model."
                )
            if space.collapsed:
                found.append(
                    f"The {name} embeddings have collapsed: effective rank {space.effective_rank:.1f} of {space.embed_dim},"
                    f" mean cosine {space.mean_cosine:.3f}."
                )
        return found

    def to_dict(self) -> dict[str, object]:
        """As JSON values; None for non-finite numbers."""
        settings = {
            "confidence": CONFIDENCE,
            "resamples": self.resamples,
            "resampled_by": "picture",
            "seed": self.seed,
            "ties": "pessimistic",
            "tie_width": TIE,
        }
        return {
            "text_to_image": self.text_to_image.to_dict(),
            "image_to_text": self.image_to_text.to_dict(),
            "recall_sum": self.recall_sum.to_dict(),
            "alignment": self.alignment if math.isfinite(self.alignment) else None,
            "images": self.images.to_dict(),
            "texts": self.texts.to_dict(),
            "warnings": self.warnings,
            "settings": settings,
        }
