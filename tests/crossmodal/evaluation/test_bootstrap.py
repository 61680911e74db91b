"""Intervals against a plain copy; captions of one picture are drawn together."""

import itertools
import math
import random
import statistics

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossmodal.evaluation.bootstrap import chance_of, intervals, median
from tests.crossmodal.evaluation.plain import plain_figures


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


@pytest.mark.slow
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


@pytest.mark.parametrize(("relevant", "gallery"), [(r, g) for g in (1, 2, 5, 7) for r in range(1, g + 1)])
def test_chance_is_the_mean_over_every_order(relevant: int, gallery: int) -> None:
    every = [list(places) for places in itertools.combinations(range(1, gallery + 1), relevant)]
    expected = plain_figures(every, [1, 2, 5])
    found = chance_of(torch.tensor([relevant]), gallery)
    for k in (1, 2, 5):
        assert found.recall(k) == pytest.approx(expected[f"recall_at_{k}"])
    for name in ("mean_rank", "mean_reciprocal_rank", "mean_average_precision", "ndcg"):
        assert getattr(found, name) == pytest.approx(expected[name]), name
    below = sum(places[0] <= found.median_rank for places in every) / len(every)
    one_less = sum(places[0] <= found.median_rank - 1 for places in every) / len(every)
    assert one_less < 0.5 <= below


@pytest.mark.slow
def test_queries_with_different_numbers_of_relevant_items() -> None:
    rng = random.Random(3)
    counts, gallery = [1, 1, 4, 9], 30
    drawn = [plain_figures([sorted(rng.sample(range(1, gallery + 1), r)) for r in counts], [5]) for _ in range(4000)]
    found = chance_of(torch.tensor(counts), gallery)
    assert found.recall(5) == pytest.approx(statistics.mean(figures["recall_at_5"] for figures in drawn), abs=0.02)
    for name in ("mean_reciprocal_rank", "mean_average_precision", "ndcg"):
        assert getattr(found, name) == pytest.approx(statistics.mean(figures[name] for figures in drawn), abs=0.01), name
    assert found.mean_rank == pytest.approx(statistics.mean(figures["mean_rank"] for figures in drawn), rel=0.03)


@pytest.mark.parametrize(("gallery", "relevant", "k"), list(itertools.product([1, 2, 7, 30], [1, 2, 5, 30], [1, 5, 10, 50])))
def test_recall_is_the_share_of_all_orders(gallery: int, relevant: int, k: int) -> None:
    relevant, first = min(relevant, gallery), min(k, gallery)
    missed = math.comb(gallery - relevant, first) / math.comb(gallery, first)
    assert chance_of(torch.tensor([relevant]), gallery).recall(k) == pytest.approx(1 - missed)


@pytest.mark.parametrize("relevant", [[], [0], [4]])
def test_impossible_numbers_are_refused(relevant: list[int]) -> None:
    with pytest.raises(ValueError, match="every query needs 1 to 3"):
        chance_of(torch.tensor(relevant, dtype=torch.int64), 3)
