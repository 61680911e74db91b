"""Words on a plot: wrapped, shortened and never fatal; files are whole or not there."""

from pathlib import Path

import matplotlib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodal.errors import StoreError
from crossmodal.evaluation import files
from crossmodal.evaluation.style import DASHES, PALETTE, new_figure, save, style, wrapped
from tests.evaluation.pictures import HOSTILE, drawn


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
        files.write_whole(path, b"other")
    assert caught.value.code == "disk_full"
    assert path.read_bytes() == former
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    with pytest.raises(StoreError, match="cannot be"):
        files.write_whole(tmp_path / "a" / "b.png", b"x")
