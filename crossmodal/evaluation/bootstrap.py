"""Intervals by resampling (Efron & Tibshirani 1993, chapter 13, percentile interval).

Queries are drawn with replacement *by picture*: the captions of one picture are drawn together or not at all, since they succeed and fail
together; drawing captions one by one would make the interval too narrow. The gallery stays as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Resampled:
    """Each figure in each resample, (resamples,) float64 by name."""

    figures: Mapping[str, Tensor]

    def interval(self, name: str) -> tuple[float, float]:
        """Lower and upper end of the 95 % interval."""
        return percentiles(self.figures[name])


def percentiles(values: Tensor) -> tuple[float, float]:
    """The middle 95 % of (n,) values; (nan, nan) of none."""
    if not len(values):
        return float("nan"), float("nan")
    ends = torch.tensor([(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], dtype=torch.float64)
    low, high = values.double().quantile(ends).tolist()
    return low, high


def median(ranks: Tensor) -> float:
    """The middle one of (n,) whole numbers, the mean of the middle two when n is even."""
    ordered = ranks.sort().values
    return float(ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def intervals(values: Mapping[str, Tensor], ranks: Tensor, clusters: Tensor, *, resamples: int, seed: int) -> Resampled:
    """Draw clusters of queries and take every mean, and the median rank, anew.

    The same seed and number of clusters draw the same clusters, so that two directions over the same pictures stay paired.

    Shape:
        values: name → (q,) float64; ranks: (q,) int64; clusters: (q,) int64 in 0..c-1, each number used at least once.

    Raises:
        ValueError: there is no query.
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
