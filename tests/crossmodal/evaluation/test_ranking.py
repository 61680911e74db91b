"""Ranks both ways against sorting in plain loops; tiles, ties and broken numbers make no difference."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from crossmodal.evaluation.ranking import TIE, RelevantPairs, rank_both_ways
from tests.crossmodal.evaluation.plain import plain_ranks, plain_scores, whole_numbered


def as_lists(found: Tensor, starts: Tensor) -> list[list[int]]:
    return [found[first:last].tolist() for first, last in itertools.pairwise(starts.tolist())]


def check(
    images: Tensor, texts: Tensor, image_groups: Tensor, text_groups: Tensor, *, rows: int = 1024, columns: int = 2048
) -> None:
    """Both directions equal the plain copy, rank by rank."""
    pairs = RelevantPairs.of_groups(image_groups, text_groups)
    to_image, to_text = rank_both_ways(images, texts, pairs, rows=rows, columns=columns)
    relevant = [[int(i) == int(t) for t in text_groups] for i in image_groups]
    scores = plain_scores(images, texts)
    turned = [list(column) for column in zip(*scores, strict=True)] if scores else []
    turned_relevant = [list(column) for column in zip(*relevant, strict=True)] if relevant else []
    assert as_lists(to_text.ranks, to_text.starts) == plain_ranks(scores, relevant)
    assert as_lists(to_image.ranks, to_image.starts) == plain_ranks(turned, turned_relevant)
    assert to_text.asked.tolist() == [i for i, wanted in enumerate(relevant) if any(wanted)]
    assert to_image.asked.tolist() == [t for t, wanted in enumerate(turned_relevant) if any(wanted)]
    assert (to_text.gallery, to_image.gallery) == (len(texts), len(images))


GROUPS = st.lists(st.integers(0, 4), min_size=1, max_size=14)
NUMBERS = st.sampled_from([0.0, 1.0, -1.0, 2.0, math.nan, math.inf, -math.inf])


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(GROUPS, GROUPS, st.integers(1, 5), st.integers(1, 5), st.data())
def test_any_groups_any_tiles_and_broken_numbers(
    image: list[int], text: list[int], rows: int, columns: int, data: st.DataObject
) -> None:
    vector = st.lists(NUMBERS, min_size=2, max_size=2)
    images = torch.tensor(data.draw(st.lists(vector, min_size=len(image), max_size=len(image))))
    texts = torch.tensor(data.draw(st.lists(vector, min_size=len(text), max_size=len(text))))
    check(images, texts, torch.tensor(image), torch.tensor(text), rows=rows, columns=columns)


@pytest.mark.parametrize(("n", "captions", "levels"), list(itertools.product([1, 5, 31], [1, 3], [1, 50])))
def test_ties_over_a_grid_of_sizes(n: int, captions: int, levels: int) -> None:
    images, texts = whole_numbered(n, 3, levels, seed=n), whole_numbered(n * captions, 3, levels, seed=n + 1)
    groups = torch.arange(n)
    check(images, texts, groups, groups.repeat_interleave(captions), rows=8, columns=7)


@pytest.mark.parametrize("n_groups", [1, 2, 7])
@pytest.mark.parametrize("broken", [0, 3])
def test_many_pictures_and_texts_of_one_title(n_groups: int, broken: int) -> None:
    images, texts = whole_numbered(40, 3, 2, seed=n_groups), whole_numbered(31, 3, 2, seed=broken)
    images[:broken], texts[:broken] = math.nan, math.inf
    check(images, texts, torch.arange(40) % n_groups, torch.arange(31) % 9 % n_groups, rows=16, columns=17)


@pytest.mark.parametrize("embed_dim", [3, 64, 517])
def test_equal_embeddings_tie_whatever_the_rounding(embed_dim: int) -> None:
    """The right picture and nine copies of it: rank 10, though their scores are computed apart and summed in other orders."""
    torch.manual_seed(embed_dim)
    image = functional.normalize(torch.randn(1, embed_dim), dim=1)
    texts = functional.normalize(torch.randn(10, embed_dim), dim=1)
    to_image, _ = rank_both_ways(image.repeat(10, 1), texts, RelevantPairs.of_groups(torch.arange(10), torch.arange(10)), rows=3)
    assert to_image.best.tolist() == [10] * 10


def test_scores_nearer_than_float32_resolves_tie() -> None:
    images = torch.tensor([[1.0], [1.0 - TIE / 2], [1.0 - 4 * TIE]])
    text = torch.ones(1, 1)
    to_image, _ = rank_both_ways(images, text, RelevantPairs.of_groups(torch.tensor([7, 8, 8]), torch.tensor([7])))
    assert to_image.best.tolist() == [2]


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_a_broken_model_ranks_last(broken: float) -> None:
    rows = torch.full((5, 3), broken)
    for found in rank_both_ways(rows, rows, RelevantPairs.of_groups(torch.arange(5), torch.arange(5))):
        assert found.best.tolist() == [5] * 5


def test_shapes_that_do_not_fit_and_groups_too_large_are_refused() -> None:
    pairs = RelevantPairs.of_groups(torch.arange(2), torch.arange(2))
    with pytest.raises(ValueError, match="embeddings must be"):
        rank_both_ways(torch.ones(2, 3), torch.ones(2, 4), pairs)
    with pytest.raises(ValueError, match="the pairs are of 2 pictures"):
        rank_both_ways(torch.ones(3, 3), torch.ones(2, 3), pairs)
    with pytest.raises(ValueError, match="groups must be"):
        RelevantPairs.of_groups(torch.zeros(2, 2), torch.zeros(2))
    with pytest.raises(ValueError, match="are too many"):
        RelevantPairs.of_groups(torch.zeros(20_000, dtype=torch.int64), torch.zeros(20_000, dtype=torch.int64))
