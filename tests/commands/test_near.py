"""While the page or the API runs, a command is answered by it: the same lines, no model loaded."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.local import LocalApi
from config import Settings
from engine.live import LiveApp
from initialize import build_system
from tests.commands.shell import Shell

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def running(shell: Shell) -> Iterator[LiveApp]:
    """The same installation, open in a program that answers."""
    app = build_system(Settings(), fill=False)
    with LocalApi(app):
        yield app
    app.close()


def test_the_answers_are_those_of_an_app_of_ones_own(shell: Shell, running: LiveApp, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = shell.picture("blue.png", "blue", "bar")
    asked = (
        ("search", "red disc", "-k", 4),
        ("search", "red", "--where", "catalogue=amazon_products", "--min-score", 0.1, "--json"),
        ("search", picture, "--json"),
        ("search", "red", "--and-image", picture, "--weight", 0.3),
        ("search", "--item", 2, "-k", 3),
        ("search", "--captions-for", picture),
        ("search", "zebra"),
        ("search", "   "),
        ("search", "--item", 99),
        ("search", "http://127.0.0.1/x.png"),
    )
    alone = []
    with monkeypatch.context() as patch:
        patch.setattr("api.client.connect", lambda *_: None)
        alone = [shell(*words) for words in asked]
    monkeypatch.setattr("initialize.build_system", lambda *_args, **_kwargs: pytest.fail("a model was loaded"))
    near = [shell(*words) for words in asked]
    assert [(each.exit_code, each.stdout, each.stderr) for each in near] == [
        (each.exit_code, each.stdout, each.stderr) for each in alone
    ]


def test_what_is_added_is_found_by_the_program(shell: Shell, running: LiveApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("initialize.build_system", lambda *_args, **_kwargs: pytest.fail("a model was loaded"))
    picture = shell.picture("new.png", "blue", "bar", seed=4_444)
    assert shell.lines("add", picture, "--title", "My bar")[0][1:] == ["added", "My bar"]
    assert shell.lines("add", "-", code=4) == []
    assert running.search_by_image(picture.read_bytes(), 1)[0].item.title == "My bar"


def test_a_picture_can_be_opened(shell: Shell, running: LiveApp, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("typer.launch", lambda path: opened.append(path) or 0)
    assert shell("search", "red disc", "--open").exit_code == 0
    assert Path(opened[0]).read_bytes()[:2] == b"\xff\xd8"


def test_nothing_heavy_is_loaded(shell: Shell, running: LiveApp) -> None:
    script = """
import sys
import cli
try:
    cli.app(["search", "red disc", "-k", "1"])
except SystemExit as end:
    assert not end.code
print(sorted({"torch", "pandas", "streamlit", "fastapi", "numpy", "pydantic_settings"} & set(sys.modules)))
"""
    said = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert said.returncode == 0, said.stderr
    first, loaded = said.stdout.splitlines()
    assert first.split("\t")[3] == "red disc"
    assert loaded == "[]"


def test_drawing_in_the_terminal_takes_an_app_of_ones_own(shell: Shell, running: LiveApp) -> None:
    assert "shows no pictures" in shell("search", "red disc", "--preview").stderr
