"""Bootstrap confidence intervals (Efron & Tibshirani 1993, chapter 13, percentile interval), and chance levels.

Queries are drawn with replacement *by picture*: the captions of one picture are drawn together or not at all, because their results are
correlated; drawing captions one by one would make the interval too narrow. The gallery is fixed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Resampled:
    """The metrics in each resample: name → (resamples,) float64."""

    figures: Mapping[str, Tensor]

    def interval(self, name: str) -> tuple[float, float]:
        """Lower and upper end of the 95 % interval."""
        return percentiles(self.figures[name])


def percentiles(values: Tensor) -> tuple[float, float]:
    """Bounds of the middle 95 % of (n,) values; (nan, nan) if n is 0."""
    if not len(values):
        return float("nan"), float("nan")
    ends = torch.tensor([(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], dtype=torch.float64)
    low, high = values.double().quantile(ends).tolist()
    return low, high


def median(ranks: Tensor) -> float:
    """Median of (n,) integers; for even n the mean of the middle two."""
    ordered = ranks.sort().values
    return float(ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def intervals(values: Mapping[str, Tensor], ranks: Tensor, clusters: Tensor, *, resamples: int, seed: int) -> Resampled:
    """Resample clusters of queries; compute every mean and the median rank of each resample.

    The same seed and number of clusters draw the same clusters, so that two directions over the same pictures stay paired.

    Shape:
        values: name → (q,) float64; ranks: (q,) int64; clusters: (q,) int64 in 0..c-1, each number used at least once.

    Raises:
        ValueError: there are no queries.
    """
    if not len(ranks):
        raise ValueError("there is no query to draw from")
    names = list(values)
    count = int(clusters.max()) + 1
    sums = torch.zeros(count, len(names) + 1, dtype=torch.float64)
    sums.index_add_(0, clusters, torch.stack([*values.values(), torch.ones(len(ranks), dtype=torch.float64)], dim=1))
    ordered, order = ranks.sort()
    owners = clusters[order]
    generator = torch.Generator().manual_seed(seed)
    means, medians = [], []
    for _ in range(resamples):
        drawn = torch.bincount(torch.randint(count, (count,), generator=generator), minlength=count)
        total = drawn.double() @ sums
        means.append(total[:-1] / total[-1])
        medians.append(_weighted_median(ordered, drawn[owners]))
    table = torch.stack(means) if means else torch.zeros(0, len(names), dtype=torch.float64)
    figures = {name: table[:, column] for column, name in enumerate(names)}
    return Resampled(figures | {"median_rank": torch.tensor(medians, dtype=torch.float64)})


def _weighted_median(ordered: Tensor, times: Tensor) -> float:
    """Median of ascending values, each taken so many times."""
    upto = times.cumsum(0)
    total = int(upto[-1])
    middle = torch.tensor([(total - 1) // 2, total // 2])
    return float(ordered[torch.searchsorted(upto, middle, right=True)].double().mean())


@dataclass(frozen=True, slots=True)
class Chance:
    """Expected figures of queries over a gallery in random order.

    Attributes:
        survival: (gallery + 1,) float64; entry r is the share of queries with no relevant item among the first r (hypergeometric).
        median_rank, mean_rank: of the best relevant item.
        mean_reciprocal_rank, mean_average_precision, ndcg: as in `figures`.
    """

    survival: Tensor
    median_rank: float
    mean_rank: float
    mean_reciprocal_rank: float
    mean_average_precision: float
    ndcg: float

    def recall(self, k: int) -> float:
        """Expected recall@k, in [0, 1]: mean over queries of 1 - C(g - r, k) / C(g, k), r relevant items of g."""
        return 1.0 - float(self.survival[min(k, len(self.survival) - 1)])


def chance_of(relevant: Tensor, gallery: int) -> Chance:
    """Expected metrics of a random order for queries with the given numbers of relevant items.

    - Best rank: P(rank > s) = C(g - r, s) / C(g, s), mean (g + 1) / (r + 1); the median is the first rank that half of the queries reach.
    - Average precision: (H_g + (r - 1) / (g - 1) · (g - H_g)) / g with H_g = 1 + 1/2 + … + 1/g (Bestgen 2015, "Exact expected average
      precision of the random baseline for system evaluation").
    - nDCG: every position holds a relevant item with probability r / g.

    Shape:
        relevant: (q,) int64, each in 1..gallery.

    Raises:
        ValueError: no query, or a number of relevant items outside 1..gallery.
    """
    if not len(relevant) or int(relevant.min()) < 1 or int(relevant.max()) > gallery:
        raise ValueError(f"every query needs 1 to {gallery} relevant items")
    kinds, queries = torch.unique(relevant, return_counts=True)
    shares = queries.double() / len(relevant)
    place = torch.arange(1, gallery + 1, dtype=torch.float64)
    discount = 1 / torch.log2(place + 1)
    best_discounts = discount.cumsum(0)
    harmonic = float((1 / place).sum())
    survival = torch.zeros(gallery + 1, dtype=torch.float64)
    mean = reciprocal = precision = gain = 0.0
    for r, share in zip(kinds.tolist(), shares.tolist(), strict=True):
        left = torch.cat(
            (torch.ones(1, dtype=torch.float64), ((gallery - r - place + 1).clamp(min=0) / (gallery - place + 1)).cumprod(0))
        )
        first_here = left[:-1] * (r / (gallery - place + 1)).clamp(max=1)  # P(best rank = place)
        survival += share * left
        mean += share * (gallery + 1) / (r + 1)
        reciprocal += share * float((first_here / place).sum())
        rest = (r - 1) / (gallery - 1) * (gallery - harmonic) if gallery > 1 else 0.0
        precision += share * (harmonic + rest) / gallery
        gain += share * r / gallery * float(best_discounts[-1] / best_discounts[r - 1])
    median = int((survival > 0.5 + 1e-12).sum())  # the first r with a survival of one half or less
    return Chance(survival, float(median), mean, reciprocal, precision, gain)
