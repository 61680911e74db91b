"""Geometry of an embedding space: are pairs close, are embeddings spread over the sphere, or has the space collapsed?"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from crossmodal.evaluation.ranking import RelevantPairs

MOST_ROWS = 4096
"""Maximum rows for uniformity, which uses all pairs; larger inputs are sampled with a fixed seed."""
COLLAPSED_RANK_SHARE = 0.02
"""An effective rank below this share of its maximum min(n, d) is a collapse; so is one below `COLLAPSED_RANK`."""
COLLAPSED_RANK = 1.5
COLLAPSED_COSINE = 0.99
"""A mean cosine of two different embeddings above this is a collapse, whatever the rank."""


@dataclass(frozen=True, slots=True)
class SpaceFigures:
    """Geometry of the unit-length embeddings of one side. Non-finite embeddings are excluded and counted in `broken`.

    Attributes:
        count, broken: total number of embeddings, and number of non-finite ones.
        embed_dim: their dimension.
        uniformity: log mean exp(-2 |x - y|²) over different rows, in [-8, 0]; smaller is more even. NaN for fewer than two rows.
        effective_rank: in [1, min(n, d)]; NaN without rows.
        mean_cosine: mean cosine of two different rows; NaN for fewer than two rows.
        collapsed: whether a threshold of this module is crossed; never for fewer than two finite rows.
    """

    count: int
    broken: int
    embed_dim: int
    uniformity: float
    effective_rank: float
    mean_cosine: float
    collapsed: bool

    def to_dict(self) -> dict[str, object]:
        """As JSON values; None for NaN."""
        numbers = {name: _or_none(getattr(self, name)) for name in ("uniformity", "effective_rank", "mean_cosine")}
        return {"count": self.count, "broken": self.broken, "embed_dim": self.embed_dim, **numbers, "collapsed": self.collapsed}


def space_figures(embeddings: Tensor, *, seed: int = 0) -> SpaceFigures:
    """Geometry of (n, d) unit-length embeddings; n may be 0."""
    sound = embeddings.isfinite().all(dim=1)
    rows = embeddings if bool(sound.all()) else embeddings[sound]
    count, embed_dim = embeddings.shape
    rank, cosine = effective_rank(rows), mean_cosine(rows)
    limit = max(COLLAPSED_RANK_SHARE * min(len(rows), embed_dim), COLLAPSED_RANK)
    collapsed = len(rows) > 1 and embed_dim > 1 and (rank < limit or cosine > COLLAPSED_COSINE)
    return SpaceFigures(count, count - len(rows), embed_dim, uniformity(rows, seed=seed), rank, cosine, collapsed)


def alignment(images: Tensor, texts: Tensor, pairs: RelevantPairs, *, chunk: int = 16_384) -> float:
    """Mean |x - y|² over pairs (Wang & Isola 2020, equation 1, α = 2), in [0, 4]; smaller is nearer.

    Non-finite pairs are excluded; NaN if none remain.
    """
    total, counted = 0.0, 0
    for i, t in zip(torch.split(pairs.image, chunk), torch.split(pairs.text, chunk), strict=True):
        distance = (images[i].double() - texts[t].double()).square().sum(dim=1)
        sound = distance[distance.isfinite()]
        total, counted = total + float(sound.sum()), counted + len(sound)
    return total / counted if counted else math.nan


def uniformity(embeddings: Tensor, *, seed: int = 0, chunk: int = 1024) -> float:
    """log mean exp(-2 |x - y|²) over different rows (Wang & Isola 2020, equation 2, t = 2).

    Takes (n, d) unit-length rows; above `MOST_ROWS`, a sample of that size. NaN for fewer than two rows.
    """
    rows = sample(embeddings, MOST_ROWS, seed=seed).double()
    if len(rows) < 2:
        return math.nan
    norms = rows.square().sum(dim=1)
    total = 0.0
    for start in range(0, len(rows), chunk):
        piece = rows[start : start + chunk]
        squared = (norms[start : start + chunk, None] + norms[None, :] - 2 * piece @ rows.T).clamp(min=0)
        near = torch.exp(-2 * squared)
        total += float(near.sum()) - float(near.diagonal(offset=start).sum())
    return math.log(total / (len(rows) * (len(rows) - 1)))


def effective_rank(embeddings: Tensor, *, chunk: int = 65_536) -> float:
    """exp of the entropy of the singular values divided by their sum (Roy & Vetterli 2007, definition 1).

    Takes (n, d) rows, not centred: if all point in one direction, the result is 1. NaN without rows; 0.0 if all are zero.
    """
    if not len(embeddings):
        return math.nan
    gram = torch.zeros(embeddings.shape[1], embeddings.shape[1], dtype=torch.float64)
    for piece in torch.split(embeddings, chunk):
        rows = piece.double()
        gram += rows.T @ rows
    strengths = torch.linalg.eigvalsh(gram)
    # Rounding errors of zero eigenvalues have roots that are not small, so eigenvalues below this count as zero.
    strengths = torch.where(strengths > strengths[-1] * len(gram) * torch.finfo(torch.float64).eps, strengths, 0.0).sqrt()
    if float(strengths.sum()) == 0.0:
        return 0.0
    shares = strengths / strengths.sum()
    return float(torch.exp(-torch.xlogy(shares, shares).sum()))


def mean_cosine(embeddings: Tensor) -> float:
    """Mean inner product of two different rows of (n, d), over all pairs; NaN for fewer than two rows."""
    if (count := len(embeddings)) < 2:
        return math.nan
    total = embeddings.sum(dim=0, dtype=torch.float64).square().sum()
    itself = sum(float(piece.double().square().sum()) for piece in torch.split(embeddings, 65_536))
    return (float(total) - itself) / (count * (count - 1))


def sample(rows: Tensor, most: int, *, seed: int) -> Tensor:
    """At most `most` of the rows, sampled without replacement, in their original order."""
    if len(rows) <= most:
        return rows
    chosen = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:most]
    return rows[chosen.sort().values]


def _or_none(number: float) -> float | None:
    return number if math.isfinite(number) else None
