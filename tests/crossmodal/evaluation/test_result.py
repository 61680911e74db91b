"""Figures against plain loops, against scikit-learn and against torchmetrics, where these are right."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from crossmodal.evaluation.ranking import Ranks, RelevantPairs, rank_both_ways
from crossmodal.evaluation.result import direction_figures, per_query
from crossmodal.torchvision_compat import import_torchvision
from tests.crossmodal.evaluation.plain import plain_figures

KS = [1, 3, 10]


@pytest.mark.slow
@settings(deadline=None)
@given(st.lists(st.lists(st.integers(1, 30), min_size=1, max_size=8, unique=True).map(sorted), min_size=1, max_size=12))
def test_every_figure_equals_the_plain_copy(ranks: list[list[int]]) -> None:
    many = torch.tensor([len(found) for found in ranks])
    starts = torch.cat((torch.zeros(1, dtype=torch.int64), many.cumsum(0)))
    ranked = Ranks(torch.arange(len(ranks)), starts, torch.tensor([rank for found in ranks for rank in found]), 30)
    expected = plain_figures(ranks, KS)
    for name, values in per_query(ranked, KS).items():
        assert float(values.mean()) == pytest.approx(expected[name], abs=1e-9), name
    found, recall_sums = direction_figures(ranked, torch.arange(len(ranks)), KS, resamples=5, seed=0)
    assert {name: figure.value for name, figure in found.named().items()} == pytest.approx(expected)
    assert all(figure.low <= figure.high for figure in found.named().values())
    assert recall_sums.shape == (5,)


def untied(seed: int) -> tuple[Tensor, Tensor, Ranks]:
    """Scores (q, g) without ties, their relevance, and ranks as we count them."""
    generator = torch.Generator().manual_seed(seed)
    images, texts = (functional.normalize(torch.randn(n, 16, generator=generator), dim=1) for n in (12, 60))
    image_groups, text_groups = torch.arange(12) // 2, torch.randint(0, 6, (60,), generator=generator)
    _, to_text = rank_both_ways(images, texts, RelevantPairs.of_groups(image_groups, text_groups))
    return images.double() @ texts.double().T, image_groups[:, None] == text_groups[None, :], to_text


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_figures_equal_those_of_scikit_learn(seed: int) -> None:
    from sklearn import metrics  # takes a second or two to load

    scores, relevant, ranked = untied(seed)
    found = {name: values.tolist() for name, values in per_query(ranked, KS).items()}
    wanted, given_scores = relevant.numpy(), scores.numpy()
    rows = range(len(wanted))
    assert found["mean_average_precision"] == pytest.approx(
        [metrics.average_precision_score(wanted[i], given_scores[i]) for i in rows], abs=1e-5
    )
    mean = sum(found["mean_average_precision"]) / len(wanted)
    assert mean == pytest.approx(metrics.label_ranking_average_precision_score(wanted, given_scores), abs=1e-5)
    assert found["ndcg"] == pytest.approx([metrics.ndcg_score(wanted[i : i + 1], given_scores[i : i + 1]) for i in rows], abs=1e-5)


@pytest.mark.slow
def test_recall_of_one_right_answer_is_top_k_accuracy() -> None:
    from sklearn import metrics  # takes a second or two to load

    generator = torch.Generator().manual_seed(0)
    images, texts = (functional.normalize(torch.randn(40, 4, generator=generator), dim=1) for _ in range(2))
    groups = torch.arange(40)
    _, to_text = rank_both_ways(images, texts, RelevantPairs.of_groups(groups, groups))
    scores = (images @ texts.T).numpy()
    for k, values in ((k, per_query(to_text, KS)[f"recall_at_{k}"]) for k in KS):
        assert float(values.mean()) == pytest.approx(metrics.top_k_accuracy_score(groups.numpy(), scores, k=k), abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_figures_equal_those_of_torchmetrics(seed: int) -> None:
    """Scores are raised above zero first: torchmetrics 1.9 drops a relevant item whose score is zero or less."""
    import_torchvision()  # which torchmetrics imports too, without our cure
    import torchmetrics.functional.retrieval as library

    scores, relevant, ranked = untied(seed)
    found = {name: values.tolist() for name, values in per_query(ranked, KS).items()}
    rows = list(zip(scores + 2, relevant, strict=True))
    expected = {
        "mean_reciprocal_rank": [library.retrieval_reciprocal_rank(s, r) for s, r in rows],
        "mean_average_precision": [library.retrieval_average_precision(s, r) for s, r in rows],
        "ndcg": [library.retrieval_normalized_dcg(s, r) for s, r in rows],
        **{f"recall_at_{k}": [library.retrieval_hit_rate(s, r, top_k=k) for s, r in rows] for k in KS},
    }
    for name, values in expected.items():
        assert found[name] == pytest.approx([float(value) for value in values], abs=1e-5), name
