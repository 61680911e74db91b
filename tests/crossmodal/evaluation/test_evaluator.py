"""The whole evaluation: against plain loops, against the whole matrix, with pictures that have several captions or none."""

import json
import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.evaluation_memory import made_up
from benchmarks.full_matrix import full_matrix_figures
from crossmodal.evaluation.evaluator import evaluate_bidirectional_retrieval, evaluate_groups, print_metrics
from crossmodal.evaluation.metrics import relevance, retrieval_figures
from crossmodal.evaluation.result import RetrievalResult
from tests.crossmodal.evaluation.plain import plain_figures, plain_ranks, plain_scores, whole_numbered


def values(result: RetrievalResult) -> tuple[dict[str, float], dict[str, float]]:
    to_image, to_text = (direction.named().items() for direction in (result.text_to_image, result.image_to_text))
    return {name: figure.value for name, figure in to_image}, {name: figure.value for name, figure in to_text}


@pytest.mark.parametrize(("images", "captions"), [(1, 1), (8, 1), (8, 5), (30, 3)])
def test_figures_equal_the_plain_copy_ties_included(images: int, captions: int) -> None:
    pictures, texts = whole_numbered(images, 2, 1, seed=images), whole_numbered(images * captions, 2, 1, seed=captions)
    owner = [i for i in range(images) for _ in range(captions)]
    result = evaluate_bidirectional_retrieval(pictures, texts, [1, 5, 10], resamples=3)
    scores = plain_scores(functional.normalize(texts, dim=1), functional.normalize(pictures, dim=1))
    relevant = [[i == of for i in range(images)] for of in owner]
    to_image = plain_figures(plain_ranks(scores, relevant), [1, 5, 10])
    turned = [list(column) for column in zip(*scores, strict=True)]
    to_text = plain_figures(plain_ranks(turned, [list(column) for column in zip(*relevant, strict=True)]), [1, 5, 10])
    found = values(result)
    assert found[0] == pytest.approx(to_image, abs=1e-5)
    assert found[1] == pytest.approx(to_text, abs=1e-5)
    recalls = [figures[f"recall_at_{k}"] for figures in (to_image, to_text) for k in (1, 5, 10)]
    assert result.recall_sum.value == pytest.approx(sum(recalls))


@pytest.mark.slow
def test_figures_equal_those_of_the_whole_matrix() -> None:
    """The small brother of `benchmarks.evaluation_memory`: more rows and columns than one tile holds."""
    images, texts = made_up(1100, 2, 32, noise=2.0)
    texts[5] = texts[4]
    images[7, 3] = math.nan
    result = evaluate_bidirectional_retrieval(images, texts, resamples=0)
    shown, asked = (functional.normalize(side, dim=1) for side in (images, texts))
    relevant = torch.arange(1100)[:, None] == torch.arange(2200)[None, :] // 2
    found = values(result)
    assert found[0] == pytest.approx(full_matrix_figures(asked, shown, relevant.T), abs=1e-5)
    assert found[1] == pytest.approx(full_matrix_figures(shown, asked, relevant), abs=1e-5)
    assert any("1 of 1100 image embeddings" in warning for warning in result.warnings)


def test_figures_equal_the_ones_stored_in_model_files() -> None:
    """`retrieval_figures` is what a model file keeps; both must say the same of the same embeddings."""
    images, texts = made_up(60, 1, 16, noise=2.0)
    groups = torch.arange(60)
    older = retrieval_figures(texts, images, relevance(groups.tolist(), groups.tolist()))
    newer = evaluate_bidirectional_retrieval(images, texts, resamples=0).text_to_image
    for k, recall, chance in ((1, older.recall_at_1, older.chance_at_1), (10, older.recall_at_10, older.chance_at_10)):
        assert (newer.recall[k].value, newer.recall[k].chance) == (pytest.approx(recall), pytest.approx(chance))
    assert newer.median_rank.value == older.median_rank
    assert newer.mean_reciprocal_rank.value == pytest.approx(older.mean_reciprocal_rank)


def test_order_of_texts_and_length_of_embeddings_make_no_difference() -> None:
    images, texts = made_up(20, 3, 8, noise=2.0)
    straight = evaluate_bidirectional_retrieval(images, texts, resamples=20)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(2))
    mixed = evaluate_bidirectional_retrieval(
        images * 7, texts[order] * 0.1, image_of_text=(torch.arange(60) // 3)[order], resamples=20
    )
    assert values(mixed)[0] == pytest.approx(values(straight)[0])
    assert values(mixed)[1] == pytest.approx(values(straight)[1])


def test_a_picture_without_a_text_is_searched_but_not_asked() -> None:
    images, texts = made_up(4, 1, 8)
    result = evaluate_bidirectional_retrieval(images, texts[:2], image_of_text=torch.tensor([3, 1]), resamples=10)
    assert (result.text_to_image.queries, result.text_to_image.gallery) == (2, 4)
    assert (result.image_to_text.queries, result.image_to_text.gallery) == (2, 2)


def test_pictures_of_one_title_are_all_right() -> None:
    images = torch.eye(4)
    titles = torch.tensor([0, 0, 1, 2])
    result = evaluate_groups(images, torch.stack((images[1], images[0], images[2], images[3])), titles, titles, resamples=10)
    assert result.text_to_image.recall[1].value == 1.0
    assert result.text_to_image.recall[1].chance == pytest.approx((2 + 2 + 1 + 1) / 16)


def test_a_perfect_model_and_a_collapsed_one() -> None:
    perfect = evaluate_bidirectional_retrieval(torch.eye(30), torch.eye(30))
    assert all(figure.value == figure.low == figure.high == 1.0 for figure in perfect.text_to_image.named().values())
    assert perfect.recall_sum.value == 6.0
    assert perfect.warnings == []
    collapsed = evaluate_bidirectional_retrieval(torch.ones(30, 8), torch.ones(30, 8))
    assert collapsed.text_to_image.mean_rank.value == 30
    assert collapsed.recall_sum.value == 0.0
    assert [warning.split(" have ")[0] for warning in collapsed.warnings] == ["The image embeddings", "The text embeddings"]


def test_a_broken_model_is_last_and_said() -> None:
    broken = torch.full((12, 4), math.nan)
    result = evaluate_bidirectional_retrieval(broken, torch.eye(4).repeat(3, 1), resamples=5)
    assert result.text_to_image.median_rank.value == 12
    assert result.recall_sum.value == 0.0
    assert result.to_dict()["alignment"] is None
    assert "12 of 12 image embeddings" in result.warnings[0]


def test_the_same_seed_gives_the_same_intervals_and_they_hold_the_figure() -> None:
    images, texts = made_up(50, 2, 16)
    first, again, other = (evaluate_bidirectional_retrieval(images, texts, resamples=100, seed=seed) for seed in (1, 1, 2))
    assert first.to_dict() == again.to_dict()
    assert first.to_dict() != other.to_dict()
    recall = first.text_to_image.recall[5]
    assert recall.low < recall.value < recall.high
    assert first.recall_sum.low < first.recall_sum.value < first.recall_sum.high


def test_half_precision_and_json() -> None:
    images, texts = made_up(10, 1, 8)
    result = evaluate_bidirectional_retrieval(images.bfloat16(), texts.half(), [3], resamples=2)
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False)) == result.to_dict()
    assert list(result.text_to_image.recall) == [3]


@pytest.mark.parametrize(
    ("images", "texts", "owner", "ks", "message"),
    [
        (torch.eye(3), torch.eye(4)[:, :3], None, [1], "4 texts cannot be divided evenly among 3 pictures"),
        (torch.zeros(0, 3), torch.zeros(0, 3), None, [1], "0 texts cannot be divided"),
        (torch.eye(3), torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64), [1], "no pair to evaluate"),
        (torch.eye(3), torch.eye(3), torch.tensor([0, 1, 3]), [1], "numbers from 0 to 2"),
        (torch.eye(3), torch.eye(3), torch.tensor([0, 1]), [1], "image_of_text must be"),
        (torch.eye(3), torch.eye(3), None, [0, 1], "k must be 1 or more"),
        (torch.eye(3), torch.eye(3), None, [], "k must be 1 or more"),
        (torch.eye(3), torch.ones(3, 2), None, [1], "embeddings must be"),
    ],
)
def test_what_does_not_fit_is_refused(images: Tensor, texts: Tensor, owner: Tensor | None, ks: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate_bidirectional_retrieval(images, texts, ks, image_of_text=owner)


def test_print_metrics_prints_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    print_metrics(evaluate_bidirectional_retrieval(torch.eye(4), torch.eye(4), resamples=2))
    assert "R@1, %" in capsys.readouterr().out
