"""Exact nearest rows of a query, computed from fast approximate scores. Pure functions."""

from collections.abc import Iterator

import torch

from crossmodal.store.checksums import UNIT_ROUNDING

# More candidates than requested are taken, so that a second pass over all rows is rarely needed.
_SPARE = 16
_ROWS_AT_ONCE = 8192
_DECIMALS = 9


def blocks(rows: torch.Tensor, size: int) -> Iterator[torch.Tensor]:
    """Split (n, ...) into views of at most `size` rows."""
    return (rows[start : start + size] for start in range(0, len(rows), size))


def candidates(scores: torch.Tensor, top_k: int, *, embed_dim: int) -> torch.Tensor:
    """Positions of all rows that may be among the `top_k` best, in no particular order.

    Args:
        scores: (n,) float32 products, n >= 1, of vectors of unit length up to rounding; -inf for removed rows. At least `top_k` are
            finite.
        top_k: at least 1.

    Returns:
        (m,) int64, m >= `top_k`.
    """
    # A float32 product of unit vectors is off by at most embed_dim * 2^-24 (Higham, Accuracy and Stability of Numerical Algorithms,
    # section 3.1), and differs from the cosine by as much as the row's length from 1. The k-th best score may be that much too high and
    # a row below it that much too low, hence twice the margin.
    margin = 2.0 * (embed_dim * 2.0**-24 + UNIT_ROUNDING)
    best = torch.topk(scores, min(top_k + _SPARE, len(scores)))
    threshold = best.values[top_k - 1] - margin
    if len(best.values) == len(scores) or best.values[-1] < threshold:
        return best.indices[best.values >= threshold]
    return (scores >= threshold).nonzero().flatten()


def cosines(query: torch.Tensor, rows: torch.Tensor) -> list[float]:
    """Cosines of (embed_dim,) and each row of (m, embed_dim), all non-zero, in float64, rounded to 9 decimals.

    The same two vectors give the same number at any position, so equal pictures tie.
    """
    wide = query.double()
    wide = wide / torch.linalg.vector_norm(wide)
    scores = [_cosines(block.double(), wide) for block in blocks(rows, _ROWS_AT_ONCE)]
    return [max(-1.0, min(1.0, round(score, _DECIMALS))) for block in scores for score in block.tolist()]


def _cosines(rows: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
    """(m,) cosines of (m, embed_dim) and a unit vector. Rows are normalised: an error in the seventh digit would change the order."""
    scores: torch.Tensor = (rows * direction).sum(dim=1) / torch.linalg.vector_norm(rows, dim=1)
    return scores
