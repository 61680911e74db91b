"""The shape of a space against plain copies; a collapsed one is noticed, a healthy one is not."""

import itertools
import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from crossmodal.evaluation.ranking import RelevantPairs
from crossmodal.evaluation.space import alignment, effective_rank, mean_cosine, space_figures, uniformity


def unit(n: int, dim: int, *, seed: int = 0, shift: float = 0.0) -> Tensor:
    return functional.normalize(torch.randn(n, dim, generator=torch.Generator().manual_seed(seed)) + shift, dim=1)


@pytest.mark.parametrize(("n", "dim"), list(itertools.product([2, 7, 40], [2, 16])))
def test_figures_equal_the_plain_copy(n: int, dim: int) -> None:
    rows = unit(n, dim)
    far = [[sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) for y in rows.tolist()] for x in rows.tolist()]
    different = [(i, j) for i in range(n) for j in range(n) if i != j]
    expected = math.log(sum(math.exp(-2 * far[i][j]) for i, j in different) / len(different))
    assert uniformity(rows) == pytest.approx(expected, abs=1e-5)
    assert uniformity(rows, chunk=3) == pytest.approx(expected, abs=1e-5)
    assert mean_cosine(rows) == pytest.approx(sum(1 - far[i][j] / 2 for i, j in different) / len(different), abs=1e-5)
    strengths = torch.linalg.svdvals(rows.double())
    shares = [float(s / strengths.sum()) for s in strengths]
    assert effective_rank(rows) == pytest.approx(math.exp(-sum(p * math.log(p) for p in shares)), rel=1e-5)
    assert effective_rank(rows, chunk=3) == pytest.approx(effective_rank(rows))


def test_uniformity_is_the_formula_of_the_paper() -> None:
    rows = unit(50, 8).double()
    assert uniformity(rows) == pytest.approx(float(torch.pdist(rows).square().mul(-2).exp().mean().log()), abs=1e-9)


def test_alignment_is_the_mean_over_pairs() -> None:
    images, texts = unit(4, 8), unit(10, 8, seed=1)
    groups, of_text = torch.arange(4), torch.tensor([0, 3, 3, 1, 0, 0, 2, 2, 1, 3])
    expected = sum(float((images[i] - texts[t]).square().sum()) for t, i in enumerate(of_text.tolist())) / 10
    pairs = RelevantPairs.of_groups(groups, of_text)
    assert alignment(images, texts, pairs) == pytest.approx(expected, abs=1e-5)
    assert alignment(images, texts, pairs, chunk=3) == pytest.approx(expected, abs=1e-5)
    assert alignment(images, images, RelevantPairs.of_groups(groups, groups)) == 0.0


@pytest.mark.parametrize("rank", [1, 2, 5])
def test_effective_rank_counts_equally_strong_directions(rank: int) -> None:
    assert effective_rank(torch.eye(8)[:rank].repeat(6, 1)) == pytest.approx(rank)


def test_a_healthy_space_is_not_called_collapsed() -> None:
    assert not space_figures(unit(300, 64)).collapsed
    assert not space_figures(unit(300, 64, shift=1.0)).collapsed  # a cone, as of many trained towers
    assert not space_figures(torch.eye(3)).collapsed
    assert not space_figures(torch.eye(2)).collapsed


@pytest.mark.parametrize("noise", [0.0, 1e-6, 1e-3])
def test_one_point_and_one_line_are_collapsed(noise: float) -> None:
    point = functional.normalize(torch.ones(300, 64) + noise * unit(300, 64), dim=1)
    assert space_figures(point).collapsed
    line = functional.normalize(unit(300, 1) * torch.ones(1, 64) + noise * unit(300, 64), dim=1)
    assert mean_cosine(line) < 0.5
    assert space_figures(line).collapsed


def test_broken_rows_are_counted_and_left_out() -> None:
    rows = unit(50, 8)
    rows[3, 2], rows[9, 0] = math.nan, math.inf
    sound = torch.cat((rows[:3], rows[4:9], rows[10:]))
    found, expected = space_figures(rows), space_figures(sound)
    assert (found.count, found.broken) == (50, 2)
    assert (found.uniformity, found.effective_rank, found.collapsed) == (expected.uniformity, expected.effective_rank, False)


def test_too_few_rows_have_no_figures() -> None:
    empty, one = space_figures(torch.zeros(0, 4)), space_figures(unit(1, 4))
    assert empty.to_dict() | {"embed_dim": 4} == {
        "count": 0, "broken": 0, "embed_dim": 4, "uniformity": None, "effective_rank": None, "mean_cosine": None, "collapsed": False,
    }  # fmt: skip
    assert one.effective_rank == pytest.approx(1.0)
    assert math.isnan(one.uniformity)
    assert not one.collapsed
    assert math.isnan(alignment(torch.zeros(0, 4), torch.zeros(0, 4), RelevantPairs.of_groups(torch.arange(0), torch.arange(0))))
    assert space_figures(torch.zeros(4, 4)).collapsed


@pytest.mark.slow
def test_many_rows_are_sampled_the_same_way_each_time() -> None:
    rows = unit(5000, 8)
    assert uniformity(rows) == uniformity(rows)
    assert uniformity(rows) == pytest.approx(uniformity(rows, seed=1), abs=0.02)
