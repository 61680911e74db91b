"""Plots show the numbers they are given, and survive numbers that are none."""

import math
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from torch.nn import functional

from benchmarks.evaluation_memory import made_up
from crossmodal import atomic
from crossmodal.errors import StoreError
from crossmodal.evaluation.evaluator import evaluate_bidirectional_retrieval
from crossmodal.evaluation.plots import (
    BLUE,
    DASHES,
    GREY,
    PALETTE,
    VERMILION,
    new_figure,
    rank_distribution,
    save,
    score_distribution,
    similarity_heatmap,
    style,
    training_curves,
    wrapped,
)
from crossmodal.evaluation.scores import sampled_scores
from tests.crossmodal.evaluation.pictures import HOSTILE, drawn, shows, words


@pytest.mark.slow
def test_rank_distribution_draws_model_and_chance() -> None:
    result = evaluate_bidirectional_retrieval(*made_up(40, 5, 16, noise=3.0), resamples=0)
    figure = rank_distribution(result)
    left, right = figure.axes
    model, *dots, chance = left.lines
    assert [dot.get_ydata()[0] for dot in dots] == [
        pytest.approx(100 * recall.value) for recall in result.text_to_image.recall.values()
    ]
    assert (np.interp(20, *chance.get_data()), chance.get_linestyle()) == (pytest.approx(50), "--")
    assert np.all(np.diff(model.get_ydata()) >= 0)
    assert "200 queries, 40 items" in left.get_title(loc="left")
    assert "40 queries, 200 items" in right.get_title(loc="left")
    assert min(shows(drawn(figure), colour) for colour in (BLUE, GREY)) > 100


@pytest.mark.slow
def test_rank_distribution_of_one_pair() -> None:
    drawn(rank_distribution(evaluate_bidirectional_retrieval(torch.eye(1), torch.eye(1), resamples=0)))


@pytest.mark.slow
def test_score_distribution_sums_to_one_hundred_for_either_side() -> None:
    images, texts = made_up(50, 2, 16)
    figure = score_distribution(*sampled_scores(images, texts, torch.arange(50), torch.arange(50).repeat_interleave(2), most=3000))
    outlines = [patch for patch in figure.axes[0].patches if not patch.get_fill()]
    assert [to_hex(patch.get_edgecolor()) for patch in outlines] == [BLUE, VERMILION]
    for patch in outlines:
        assert patch.get_data().values.sum() == pytest.approx(100)
    assert min(shows(drawn(figure), colour) for colour in (BLUE, VERMILION)) > 100


@pytest.mark.slow
@pytest.mark.parametrize("others", [torch.zeros(0), torch.tensor([math.nan]), torch.full((5,), 0.3)])
def test_score_distribution_of_nothing_and_of_one_value(others: torch.Tensor) -> None:
    drawn(score_distribution(torch.full((3,), 0.3), others))
    drawn(score_distribution(torch.zeros(0), others))


def test_sampled_scores_are_of_pairs_and_of_others() -> None:
    images, texts = torch.eye(3), torch.eye(3).repeat_interleave(2, dim=0)
    groups = torch.arange(3)
    pairs, others = sampled_scores(images, texts, groups, groups.repeat_interleave(2), most=100)
    assert pairs.tolist() == [1.0] * 6
    assert len(others) > 40
    assert set(others.tolist()) == {0.0}
    pairs, others = sampled_scores(torch.zeros(0, 3), texts, torch.arange(0), torch.arange(6))
    assert (len(pairs), len(others)) == (0, 0)


@pytest.mark.slow
def test_heatmap_shows_cosines_and_names_few() -> None:
    images, texts = made_up(6, 1, 8)
    figure = similarity_heatmap(images * 3, texts, [*("abcde"), HOSTILE])
    shown = figure.axes[0].images[0].get_array()
    assert np.allclose(shown, functional.normalize(images, dim=1) @ texts.T, atol=1e-6)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()][:2] == ["a", "b"]
    drawn(figure)
    many = similarity_heatmap(*made_up(150, 1, 8), [HOSTILE] * 150)
    assert many.axes[0].images[0].get_array().shape == (100, 100)
    assert "long" not in words(many)


def test_heatmap_refuses_what_is_not_one_to_one() -> None:
    with pytest.raises(ValueError, match="one text for each picture"):
        similarity_heatmap(torch.eye(2), torch.eye(3))
    with pytest.raises(ValueError, match="one text for each picture"):
        similarity_heatmap(torch.zeros(0, 2), torch.zeros(0, 2))


@pytest.mark.slow
def test_training_curves_have_a_panel_a_kind() -> None:
    history = [
        {
            "epoch": e,
            "loss": 3 / e,
            "score": e * 0.3,
            "recall_at_1": e / 10,
            "learning_rate": 1e-3 / e,
            "seconds": 9.0 * e,
            "note": "x",
        }
        for e in (1, 2, 3)
    ]
    figure = training_curves(history)
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["loss", "score", "recall, %", "learning rate"]
    assert figure.axes[2].lines[0].get_ydata() == pytest.approx([10, 20, 30])
    assert figure.axes[0].lines[0].get_xdata() == pytest.approx([1, 2, 3])
    assert "seconds" not in words(figure)
    drawn(figure)


@pytest.mark.slow
def test_training_curves_leave_gaps() -> None:
    history = [{"loss": 2.0, HOSTILE + "loss": 1}, {"loss": math.nan}, {"loss": math.inf}, {"loss": 1.0, "recall_at_1": True}]
    figure = training_curves(history)
    assert len(figure.axes) == 1
    line = figure.axes[0].lines[0]
    assert list(line.get_xdata()) == [1, 2, 3, 4]
    assert [math.isnan(y) for y in line.get_ydata()] == [False, True, True, False]
    drawn(figure)


@pytest.mark.parametrize("history", [[], [{"epoch": 1}], [{"loss": "x"}]])
def test_training_curves_of_nothing_are_refused(history: list[dict[str, object]]) -> None:
    with pytest.raises(ValueError, match="no losses"):
        training_curves(history)


@given(st.text(st.characters()), st.integers(5, 40), st.integers(1, 4))
def test_any_words_fit(words: str, width: int, lines: int) -> None:
    found = wrapped(words, width, lines).split("\n")
    assert len(found) <= lines
    assert all(len(line) <= width for line in found)
    "".join(found).encode("utf-8")


def test_what_does_not_fit_ends_in_an_ellipsis_and_full_stops_stay_with_their_word() -> None:
    assert wrapped("a dog runs through the water", 12, 1) == "a dog runs …"
    assert wrapped("a dog runs .", 10, 3) == "a dog\nruns\u00a0."
    assert wrapped("  \n ", 10, 1) == ""


@pytest.mark.slow
def test_hostile_words_are_drawn() -> None:
    with style():
        figure, [axis] = new_figure(3, 2)
        axis.set_title(wrapped(HOSTILE, 30, 3))
    assert drawn(figure).std() > 0


def test_the_style_leaves_no_trace() -> None:
    before = dict(matplotlib.rcParams)
    with style():
        assert matplotlib.rcParams["axes.grid"]
    assert dict(matplotlib.rcParams) == before


def test_no_two_lines_share_colour_or_dash() -> None:
    """In print without colours the dash is what is left."""
    assert len(set(PALETTE)) == len(set(map(str, DASHES))) == len(PALETTE)


def test_a_picture_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with style():
        figure, _ = new_figure(2, 2)
    path = save(figure, tmp_path / "new" / "a.png")
    former = path.read_bytes()
    assert former.startswith(b"\x89PNG")

    def full(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[:3])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StoreError) as caught:
        atomic.write_whole(path, b"other")
    assert caught.value.code == "disk_full"
    assert path.read_bytes() == former
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    with pytest.raises(StoreError, match="cannot be"):
        atomic.write_whole(tmp_path / "a" / "b.png", b"x")
