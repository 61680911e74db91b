"""Every picture of a model in one call."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.parts import drawn_data, small_run
from training.report import answers_to, draw_all, embed_side, evaluate_model, held_out_figures, recall_sum

pytestmark = pytest.mark.slow


def test_all_pictures_are_drawn(tmp_path: Path) -> None:
    data = drawn_data()
    model = small_run("mobilenet-gru", tmp_path, data).model
    history = [{"epoch": 1, "loss": 2.0, "score": 0.5}, {"epoch": 2, "loss": 1.0, "score": 0.7}]
    paths = draw_all(model, data, range(24), tmp_path / "out", queries=["red disc", "blue bar"], history=history)
    assert [path.name for path in paths] == [
        "query_1.png",
        "query_2.png",
        "top_matches_grid.png",
        "embeddings_pca.png",
        "similarity_matrix.png",
        "rank_distribution.png",
        "score_distribution.png",
        "training_curves.png",
    ]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)


def test_a_query_that_is_a_caption_has_a_right_answer(tmp_path: Path) -> None:
    data = drawn_data()
    model = small_run("mobilenet-gru", tmp_path, data).model
    images, texts, owners = embed_side(model, data, [0, 5, 9])
    assert (len(images), len(texts), owners.tolist()) == (3, 6, [0, 0, 1, 1, 2, 2])
    known, unknown = answers_to([data.captions[5][0], "nothing of the kind"], model, data, [0, 5, 9], images)
    assert sum(bool(match.right) for match in known.matches) == 1
    assert {match.right for match in unknown.matches} == {None}
    assert [match.score for match in known.matches] == sorted((match.score for match in known.matches), reverse=True)


def test_figures_agree_with_each_other(tmp_path: Path) -> None:
    data = drawn_data()
    model = small_run("mobilenet-gru", tmp_path, data).model
    places = list(range(20))
    result = evaluate_model(model, data, places)
    figures = held_out_figures(result)
    images, texts, owners = embed_side(model, data, places)
    total, first = recall_sum(images, texts, owners)
    assert figures.recall_at_1 == first
    assert abs(total - result.recall_sum.value) < 1e-9
    scores = (texts.double() @ images.double().T).numpy()
    ranks = [
        1 + int(np.sum(np.delete(row, owner) >= row[owner] - 1e-6)) for row, owner in zip(scores, owners.tolist(), strict=True)
    ]
    assert figures.recall_at_5 == torch.tensor([rank <= 5 for rank in ranks]).double().mean().item()
    assert figures.queries == 40
