"""Chance by formula against every order there is, and against many orders drawn by lot."""

import itertools
import math
import random
import statistics

import pytest
import torch

from crossmodal.evaluation.chance import chance_of
from tests.evaluation.plain import plain_figures


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
