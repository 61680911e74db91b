"""Every figure against a copy in plain loops; ties and broken numbers never flatter."""

import itertools
import math
import random
import statistics

import pytest
import torch
from torch import Tensor

from crossmodal.evaluation.metrics import chance_at_k, ranks, recall_at_k, relevance, retrieval_figures


def plain_ranks(queries: Tensor, gallery: Tensor, relevant: Tensor) -> list[int]:
    """Sort the gallery for each query, the irrelevant first among equals, and look where the first relevant one stands."""
    found = []
    for query, wanted in zip(queries.tolist(), relevant.tolist(), strict=True):
        scores = [sum(a * b for a, b in zip(query, item, strict=True)) for item in gallery.tolist()]
        order = sorted(range(len(scores)), key=lambda i: (-scores[i], wanted[i]))
        found.append(next(place for place, i in enumerate(order, start=1) if wanted[i]))
    return found


def case(q: int, g: int, n_groups: int, *, levels: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Whole-numbered vectors, so that sums are exact and ties are many; every query has a relevant item."""
    rng = random.Random(seed)
    gallery_groups = [i % n_groups for i in range(g)]
    query_groups = [rng.choice(gallery_groups) for _ in range(q)]
    queries = torch.tensor([[rng.randrange(-levels, levels + 1) for _ in range(3)] for _ in range(q)], dtype=torch.float32)
    gallery = torch.tensor([[rng.randrange(-levels, levels + 1) for _ in range(3)] for _ in range(g)], dtype=torch.float32)
    return queries, gallery, relevance(query_groups, gallery_groups)


GRID = list(itertools.product([1, 4, 30], [1, 9, 40], [1, 4, 40], [1, 50]))


@pytest.mark.parametrize(("q", "g", "n_groups", "levels"), GRID)
def test_figures_equal_the_plain_copy(q: int, g: int, n_groups: int, levels: int) -> None:
    queries, gallery, relevant = case(q, g, min(n_groups, g), levels=levels, seed=q * g + levels)
    expected = plain_ranks(queries, gallery, relevant)
    assert ranks(queries, gallery, relevant).tolist() == expected
    assert ranks(queries, gallery, relevant, chunk=7).tolist() == expected
    figures = retrieval_figures(queries, gallery, relevant)
    assert (figures.queries, figures.gallery) == (q, g)
    for k, recall in ((1, figures.recall_at_1), (5, figures.recall_at_5), (10, figures.recall_at_10)):
        assert recall == pytest.approx(sum(rank <= k for rank in expected) / q)
    assert figures.median_rank == statistics.median(expected)
    assert figures.mean_reciprocal_rank == pytest.approx(sum(1 / rank for rank in expected) / q)


def test_ties_count_against_us() -> None:
    one = torch.ones(1, 2)
    assert ranks(one, torch.ones(4, 2), torch.tensor([[False, True, False, False]])).tolist() == [4]
    assert ranks(one, torch.ones(4, 2), torch.tensor([[True, True, True, True]])).tolist() == [1]


def test_negative_scores_are_ranked_like_others() -> None:
    gallery = torch.tensor([[-0.1, 0.0], [-0.2, 0.0]])
    assert ranks(torch.tensor([[1.0, 0.0]]), gallery, torch.tensor([[True, False]])).tolist() == [1]


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_a_broken_model_ranks_last_not_first(broken: float) -> None:
    relevant = torch.eye(5, dtype=torch.bool)
    all_broken = torch.full((5, 3), broken)
    assert ranks(all_broken, all_broken, relevant).tolist() == [5] * 5
    assert retrieval_figures(all_broken, torch.ones(5, 3), relevant).recall_at_1 == 0.0


@pytest.mark.parametrize(("gallery", "n_relevant", "k"), list(itertools.product([1, 2, 7, 30], [1, 2, 5, 30], [1, 5, 10, 50])))
def test_chance_is_the_share_of_all_orders(gallery: int, n_relevant: int, k: int) -> None:
    if n_relevant > gallery:
        n_relevant = gallery
    relevant = torch.zeros(1, gallery, dtype=torch.bool)
    relevant[0, :n_relevant] = True
    missed = math.comb(gallery - n_relevant, min(k, gallery)) / math.comb(gallery, min(k, gallery))
    assert chance_at_k(relevant, k) == pytest.approx(1 - missed)


def test_chance_is_what_chance_brings() -> None:
    rng = random.Random(5)
    relevant = relevance([0, 1, 2], [0, 0, 0, 1, 1, 2, 3, 3, 3, 3, 3, 3])
    for k in (1, 5):
        hits = 0
        for _ in range(4000):
            order = rng.sample(range(12), 12)[:k]
            hits += sum(bool(relevant[query, order].any()) for query in range(3))
        assert chance_at_k(relevant, k) == pytest.approx(hits / 12_000, abs=0.02)


def test_nothing_asked_gives_zeros() -> None:
    nobody = retrieval_figures(torch.zeros(0, 4), torch.ones(3, 4), torch.zeros(0, 3, dtype=torch.bool))
    assert (nobody.queries, nobody.gallery) == (0, 3)
    assert (nobody.recall_at_1, nobody.median_rank, nobody.mean_reciprocal_rank, nobody.chance_at_10) == (0.0, 0.0, 0.0, 0.0)
    nothing = retrieval_figures(torch.zeros(0, 4), torch.zeros(0, 4), relevance([], []))
    assert (nothing.queries, nothing.gallery) == (0, 0)
    assert recall_at_k(torch.zeros(0, dtype=torch.int64), 5) == 0.0


@pytest.mark.parametrize(
    "relevant", [torch.zeros(2, 3, dtype=torch.bool), torch.ones(3, 2, dtype=torch.bool), torch.ones(2, 4, dtype=torch.bool)]
)
def test_queries_without_an_answer_and_shapes_that_do_not_fit_are_refused(relevant: Tensor) -> None:
    with pytest.raises(ValueError, match="relevant must be"):
        ranks(torch.ones(2, 4), torch.ones(3, 4), relevant)


def test_relevance_is_equality_of_groups() -> None:
    assert relevance([1, 2], [2, 1, 2]).tolist() == [[False, True, False], [True, False, True]]
