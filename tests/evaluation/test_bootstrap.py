"""Intervals against a plain copy; captions of one picture are drawn together."""

import random
import statistics

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossmodal.evaluation.bootstrap import intervals, median


def test_each_resample_equals_the_plain_copy() -> None:
    rng = random.Random(1)
    clusters = [rng.randrange(6) for _ in range(20)] + list(range(6))
    ranks = [rng.randint(1, 9) for _ in clusters]
    found = intervals(
        {"mean_rank": torch.tensor(ranks, dtype=torch.float64)}, torch.tensor(ranks), torch.tensor(clusters), resamples=50, seed=4
    )
    generator = torch.Generator().manual_seed(4)
    for resample in range(50):
        drawn = torch.randint(6, (6,), generator=generator).tolist()
        taken = [rank for cluster in drawn for rank, owner in zip(ranks, clusters, strict=True) if owner == cluster]
        assert float(found.figures["mean_rank"][resample]) == pytest.approx(statistics.mean(taken))
        assert float(found.figures["median_rank"][resample]) == statistics.median(taken)


def test_captions_of_a_picture_are_one_draw() -> None:
    """Five equal captions a picture say no more than one: the interval is as wide. Drawn one by one it would be narrower."""
    hits = (torch.arange(100) % 2).double()
    one = intervals({"hit": hits}, torch.ones(100, dtype=torch.int64), torch.arange(100), resamples=400, seed=0)
    five = hits.repeat_interleave(5)
    together = intervals(
        {"hit": five}, torch.ones(500, dtype=torch.int64), torch.arange(100).repeat_interleave(5), resamples=400, seed=0
    )
    apart = intervals({"hit": five}, torch.ones(500, dtype=torch.int64), torch.arange(500), resamples=400, seed=0)
    assert together.interval("hit") == one.interval("hit")
    assert apart.interval("hit")[0] > together.interval("hit")[0]


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    generator = torch.Generator().manual_seed(0)
    covered = 0
    for trial in range(200):
        values = torch.randn(60, generator=generator, dtype=torch.float64)
        low, high = intervals({"x": values}, torch.ones(60), torch.arange(60), resamples=200, seed=trial).interval("x")
        covered += low <= 0.0 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_no_resamples_and_no_queries() -> None:
    none = intervals({"x": torch.ones(3, dtype=torch.float64)}, torch.ones(3), torch.arange(3), resamples=0, seed=0)
    assert all(end != end for end in none.interval("x"))
    with pytest.raises(ValueError, match="no query"):
        intervals({}, torch.zeros(0), torch.zeros(0, dtype=torch.int64), resamples=1, seed=0)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30))
def test_median(ranks: list[int]) -> None:
    assert median(torch.tensor(ranks)) == statistics.median(ranks)
