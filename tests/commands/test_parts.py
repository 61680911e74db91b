"""What commands share: words that mean pictures, filters, terminals that draw, times in words, a Ctrl-C that is heard."""

import base64
import os
import re
import signal
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from commands import _console, _options
from commands._app import stop_on_interrupt
from commands._options import attributes_of, filter_of, with_option_groups
from commands._progress import ProgressBar, duration
from crossmodal.errors import QueryError, SourceError
from crossmodal.progress import Progress


@pytest.mark.parametrize(
    ("word", "is_picture"),
    [("red mug", False), ("a.PNG", True), ("https://x.test/", True), ("-", True), ("mug.", False), ("http and png", False)],
)
def test_words_that_mean_a_picture(word: str, is_picture: bool) -> None:
    assert _options.names_a_picture(word) == is_picture


def test_the_endings_of_pictures_are_those_of_a_folder() -> None:
    from crossmodal.ingest.sources.folder import PICTURE_SUFFIXES

    assert _options._PICTURES == PICTURE_SUFFIXES


def test_a_picture_is_a_path_or_an_address(tmp_path) -> None:
    path = tmp_path / "x.png"
    path.touch()
    assert _options.picture(str(path), max_bytes=10) == path
    assert _options.picture("HTTPS://x.test/a", max_bytes=10) == "HTTPS://x.test/a"
    with pytest.raises(SourceError):
        _options.picture(str(tmp_path), max_bytes=10)


def test_a_group_of_options_is_one_value() -> None:
    @dataclass(frozen=True)
    class Group:
        size: Annotated[int, typer.Option(min=1)] = 3
        name: str | None = None

    received: list[tuple[str, Group]] = []

    def command(*, word: str = "", group: Group) -> None:
        received.append((word, group))

    app = typer.Typer()
    app.command()(with_option_groups(command))
    assert CliRunner().invoke(app, ["--word", "a", "--size", "5"]).exit_code == 0
    assert CliRunner().invoke(app, ["--word", "b", "--name", "c"]).exit_code == 0
    assert received == [("a", Group(5)), ("b", Group(3, "c"))]
    assert CliRunner().invoke(app, ["--word", "a", "--size", "0"]).exit_code == 2


def test_filters_gather_the_values_of_a_name() -> None:
    assert filter_of(["a=1", "b=x=y", "a= 2 "]) == {"a": ["1", "2"], "b": ["x=y"]}
    assert filter_of(None) is None
    assert attributes_of(["a=1", "b=2"]) == {"a": "1", "b": "2"}
    with pytest.raises(QueryError, match="is given twice"):
        attributes_of(["a=1", "a = 2"])
    for bad in ("a", "=1", " =1"):
        with pytest.raises(QueryError):
            filter_of([bad])


@pytest.mark.parametrize(
    ("environment", "spoken"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"KITTY_WINDOW_ID": "1", "TERM": "xterm"}, "kitty"),
        ({"TERM_PROGRAM": "WezTerm"}, "kitty"),
        ({"TERM_PROGRAM": "iTerm.app"}, "iterm2"),
        ({"LC_TERMINAL": "iTerm2"}, "iterm2"),
        ({"TERM": "xterm-256color"}, ""),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/x"}, ""),
        ({"TERM": "screen", "TERM_PROGRAM": "iTerm.app"}, ""),
        ({}, ""),
    ],
)
def test_terminals_that_draw_are_recognised(environment: dict[str, str], spoken: str) -> None:
    assert _console.protocol(environment) == spoken


def test_kitty_is_given_every_pixel_in_pieces_it_takes() -> None:
    pixels = np.arange(60 * 80 * 3, dtype=np.uint32).astype(np.uint8).reshape(60, 80, 3)
    codes = re.findall("\033_G([^;]*);([^\033]*)\033\\\\", _console.kitty(pixels))
    assert "".join(f"\033_G{about};{data}\033\\" for about, data in codes) == _console.kitty(pixels)
    assert codes[0][0].startswith("a=T,f=24,s=80,v=60,")
    assert [about[-3:] for about, _ in codes] == ["m=1"] * (len(codes) - 1) + ["m=0"]
    assert all(len(data) <= 4096 for _, data in codes)
    assert base64.standard_b64decode("".join(data for _, data in codes)) == pixels.tobytes()


def test_iterm_is_given_the_file() -> None:
    code = _console.iterm2(b"JPEG")
    assert code.startswith("\033]1337;File=inline=1;size=4;")
    assert base64.standard_b64decode(code.partition(":")[2].removesuffix("\a")) == b"JPEG"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (-3, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"), (3599.9, "1 h 0 min"), (7500, "2 h 5 min")],
)
def test_times_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_only_steps_that_took_a_while_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBar() as told:
        told(Progress("model", "Model: loaded", finished=True))
        told(Progress("index", "PictureTask", done=1, total=2))
        told(Progress("index", "Index: 2 pictures", finished=True))
        told(Progress("index", "again", finished=True))
    assert capsys.readouterr() == ("", "Index: 2 pictures\n")
    with ProgressBar(quiet=True) as told:
        told(Progress("index", "PictureTask"))
        told(Progress("index", "done", finished=True))
    assert capsys.readouterr() == ("", "")


def test_a_bar_is_drawn_for_a_person(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with ProgressBar() as told:
        told(Progress("index", "[red]Looking", done=1, total=2, failed=1, rate_per_s=12.0, seconds_left=61))
        assert told._bars is not None
        told._bars.refresh()  # as its clock does ten times a second
        drawn = re.sub("\x1b\\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err)
        told(Progress("index", "Index: [b]2[/b] pictures", finished=True))
    assert re.search(r"\[red\]Looking [━╸╺]+ +1/2 12/s, 1 min 1 s left, 1 failed", drawn)
    assert "Index: [b]2[/b] pictures\n" in capsys.readouterr().err


def test_the_first_ctrl_c_is_a_wish_and_the_second_ends(capsys: pytest.CaptureFixture[str]) -> None:
    former = signal.getsignal(signal.SIGINT)
    with stop_on_interrupt() as stop:
        assert not stop.is_set()
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.wait(5)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is former
    assert "again" in capsys.readouterr().err


def test_a_table_for_a_person_draws_titles_as_they_are(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(_console, "is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    _console.table(("id", "title"), [(1, "[red]mug[/red] \x1b[31m")], numbers=("id",))
    said = capsys.readouterr().out
    assert "[red]mug[/red]" in said
    assert "\x1b[31m" not in said
