"""Answers as pictures: files by their documented names, scores and titles on them, the right one framed."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crossmodal.evaluation.plots import GREEN
from crossmodal.evaluation.query_plot import Answer, Match, query_figure, save_query_pictures, top_matches_figure
from tests.crossmodal.evaluation.pictures import HOSTILE, drawn, shows, words

pytestmark = pytest.mark.slow

RED = np.full((40, 70, 3), (200, 30, 40), np.uint8)


def answer(query: str, *, n: int = 5, right: int | None = None, title: str = "a red bar") -> Answer:
    return Answer(query, [Match(RED, 0.9 - i / 10, title, None if right is None else i == right) for i in range(n)])


def test_files_have_their_documented_names(tmp_path: Path) -> None:
    answers = [answer(f"question {i}") for i in range(1, 6)]
    paths = save_query_pictures(tmp_path / "visualizations", answers)
    assert [path.name for path in paths] == [*(f"query_{i}.png" for i in range(1, 6)), "top_matches_grid.png"]
    for path in paths:
        with Image.open(path) as picture:
            assert min(picture.size) > 300


def test_scores_places_and_titles_are_written() -> None:
    written = words(query_figure(answer("people on the beach")))
    assert "“people on the beach”" in written
    assert "1.  0.900" in written
    assert "5.  0.500" in written
    assert written.count("a red bar") == 5


def test_only_a_right_answer_is_framed_and_ticked() -> None:
    plain, framed = (query_figure(answer("q", right=right)) for right in (None, 1))
    assert "✓" not in words(plain)
    assert words(framed).count("✓") == 1
    assert shows(drawn(plain), GREEN) == 0
    assert shows(drawn(framed), GREEN) > 1000


@pytest.mark.parametrize("n", [0, 2, 9])
def test_fewer_or_more_matches_than_places(n: int) -> None:
    seen = drawn(query_figure(answer("q", n=n)))
    assert (shows(seen, "#c81e28") > 10_000) == (n > 0)
    drawn(top_matches_figure([answer("q", n=n), answer("r")]))


def test_hostile_words_and_odd_pictures_are_drawn() -> None:
    drawn(query_figure(answer(HOSTILE, title=HOSTILE)))
    drawn(top_matches_figure([answer(HOSTILE), answer("")]))
    thin = Answer("q", [Match(np.zeros((1, 500, 3), np.uint8), float("nan")), Match(np.zeros((500, 1, 3), np.uint8), 1.0)])
    drawn(query_figure(thin))


@pytest.mark.parametrize("pixels", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_what_is_not_a_picture_is_refused(pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="a picture must be"):
        query_figure(Answer("q", [Match(pixels, 0.5)]))


def test_no_query_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no query"):
        save_query_pictures(tmp_path, [])
