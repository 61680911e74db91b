"""What a model's card keeps, against a copy in plain loops; ties and broken numbers never flatter."""

import itertools
import math
import random

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from crossmodal.evaluation.evaluator import evaluate_groups
from crossmodal.evaluation.metrics import RetrievalFigures, relevance, retrieval_figures
from tests.crossmodal.evaluation.plain import plain_figures, plain_ranks, plain_scores, whole_numbered

KS = [1, 5, 10]


def case(q: int, g: int, n_groups: int, seed: int) -> tuple[list[int], list[int]]:
    """Groups of queries and gallery; every query has a relevant item."""
    gallery_groups = [i % n_groups for i in range(g)]
    rng = random.Random(seed)
    return [rng.choice(gallery_groups) for _ in range(q)], gallery_groups


def check(queries: Tensor, gallery: Tensor, groups: tuple[list[int], list[int]]) -> RetrievalFigures:
    """Every figure equals the plain copy."""
    relevant = relevance(*groups)
    found = retrieval_figures(queries, gallery, relevant)
    expected = plain_figures(plain_ranks(plain_scores(queries, gallery), relevant.tolist()), KS)
    assert (found.queries, found.gallery) == (len(queries), len(gallery))
    for name in ("recall_at_1", "recall_at_5", "recall_at_10", "median_rank", "mean_reciprocal_rank"):
        assert getattr(found, name) == pytest.approx(expected[name]), name
    for k in KS:
        first = min(k, len(gallery))
        missed = [math.comb(len(gallery) - many, first) / math.comb(len(gallery), first) for many in relevant.sum(dim=1).tolist()]
        assert getattr(found, f"chance_at_{k}") == pytest.approx(1 - sum(missed) / len(missed))
    return found


GRID = list(itertools.product([1, 4, 30], [1, 9, 40], [1, 4, 40]))


@pytest.mark.parametrize("levels", [1, 50])
@pytest.mark.parametrize(("q", "g", "n_groups"), GRID)
def test_figures_equal_the_plain_copy(q: int, g: int, n_groups: int, levels: int) -> None:
    """Whole-numbered vectors, so that sums are exact and ties are many."""
    check(whole_numbered(q, 3, levels, seed=q), whole_numbered(g, 3, levels, seed=g + 1), case(q, g, min(n_groups, g), seed=q * g))


@pytest.mark.parametrize(("q", "g", "n_groups"), GRID)
def test_figures_of_ordinary_embeddings_equal_the_plain_copy(q: int, g: int, n_groups: int) -> None:
    torch.manual_seed(q * g + n_groups)
    queries, gallery = functional.normalize(torch.randn(q, 32), dim=1), functional.normalize(torch.randn(g, 32), dim=1)
    check(queries, gallery, case(q, g, min(n_groups, g), seed=q * g))


def twice(n: int, noise: float) -> tuple[Tensor, Tensor]:
    """Texts, and pictures of which each is there a second time under another title."""
    torch.manual_seed(0)
    pictures = functional.normalize(torch.randn(n, 64), dim=1).repeat(2, 1)
    pictures = functional.normalize(pictures + noise * torch.randn_like(pictures), dim=1)
    return pictures.clone(), pictures


@pytest.mark.parametrize("noise", [0.0, 1e-8, 1e-7])
def test_what_differs_by_rounding_is_a_tie_and_counts_against_us(noise: float) -> None:
    """The same rule as that of the whole evaluation, so that a card and a report cannot disagree."""
    texts, pictures = twice(40, noise)
    groups = torch.arange(80)
    found = check(texts, pictures, (groups.tolist(), groups.tolist()))
    assert (found.recall_at_1, found.recall_at_5) == (0.0, 1.0)
    reported = evaluate_groups(pictures, texts, groups, groups, resamples=1).text_to_image
    assert reported.recall[1].value == found.recall_at_1
    assert reported.mean_reciprocal_rank.value == found.mean_reciprocal_rank


def test_a_query_of_equal_answers_is_right_with_any_of_them() -> None:
    one, four = torch.ones(1, 2), torch.ones(4, 2)
    assert retrieval_figures(one, four, torch.tensor([[False, True, False, False]])).median_rank == 4.0
    assert retrieval_figures(one, four, torch.tensor([[True, True, True, True]])).median_rank == 1.0


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_a_broken_model_ranks_last_not_first(broken: float) -> None:
    relevant = torch.eye(5, dtype=torch.bool)
    all_broken = torch.full((5, 3), broken)
    for gallery in (all_broken, torch.ones(5, 3)):
        found = retrieval_figures(all_broken, gallery, relevant)
        assert (found.recall_at_1, found.median_rank) == (0.0, 5.0)


def test_within_inference_mode() -> None:
    """Where training asks for them."""
    with torch.inference_mode():
        rows = functional.normalize(torch.randn(20, 8), dim=1)
        assert retrieval_figures(rows, rows, torch.eye(20, dtype=torch.bool)).recall_at_1 == 1.0


def test_nothing_asked_gives_zeros() -> None:
    nobody = retrieval_figures(torch.zeros(0, 4), torch.ones(3, 4), torch.zeros(0, 3, dtype=torch.bool))
    assert nobody == RetrievalFigures(0, 3, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    nothing = retrieval_figures(torch.zeros(0, 4), torch.zeros(0, 4), relevance([], []))
    assert nothing == RetrievalFigures(0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    "relevant", [torch.zeros(2, 3, dtype=torch.bool), torch.ones(3, 2, dtype=torch.bool), torch.ones(2, 4, dtype=torch.bool)]
)
def test_queries_without_an_answer_and_shapes_that_do_not_fit_are_refused(relevant: Tensor) -> None:
    with pytest.raises(ValueError, match="relevant must be"):
        retrieval_figures(torch.ones(2, 4), torch.ones(3, 4), relevant)


def test_relevance_is_equality_of_groups() -> None:
    assert relevance([1, 2], [2, 1, 2]).tolist() == [[False, True, False], [True, False, True]]
