"""The command line as a whole: its help, how fast it comes, and how a command ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import cli
from crossmodal.errors import HTTP_STATUS, CrossmodalError
from terminal import exits

PROJECT = Path(__file__).resolve().parents[1]


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A process of its own, its output a pipe."""
    return subprocess.run(
        [sys.executable, "cli.py", *words],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "COLUMNS": "120", **environment},
    )


def test_help_names_every_command_and_every_exit_code() -> None:
    said = run("--help")
    assert said.returncode == 0
    assert said.stderr == ""
    for info in cli.app.registered_commands:
        assert f" {info.name} " in said.stdout
    words = " ".join(said.stdout.split())
    for code, meaning in exits.MEANINGS.items():
        assert f"{code} {meaning}" in words


@pytest.mark.parametrize("name", [info.name for info in cli.app.registered_commands])
def test_every_command_explains_itself(name: str) -> None:
    result = CliRunner().invoke(cli.app, [name, "--help"])
    assert result.exit_code == 0
    assert "Traceback" not in result.output


def test_help_loads_nothing_heavy() -> None:
    code = "import sys; sys.argv = ['cli.py', '--help']\nimport cli\ntry: cli.app()\nexcept SystemExit: pass\nprint(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, timeout=60)
    loaded = {name.split(".")[0] for name in said.stdout.splitlines()[-1].split()}
    assert "typer" in loaded
    heavy = {"torch", "torchvision", "numpy", "pandas", "pydantic", "PIL", "requests", "streamlit", "fastapi", "pyarrow", "config"}
    assert not loaded & (heavy | {"initialize", "app_logic", "datasets"})


def test_every_code_of_the_family_has_an_exit_code_that_is_explained() -> None:
    assert {exits.exit_code(CrossmodalError(code, "x")) for code in HTTP_STATUS} <= set(exits.MEANINGS)


def test_unknown_words_are_a_mistake_of_the_command_line() -> None:
    assert run("serach").returncode == 2
    assert run("list", "--nosuch").returncode == 2


def test_a_mistake_of_the_program_is_one_sentence_and_a_number(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("terminal.opening.settings", lambda: 1 / 0)
    result = CliRunner().invoke(cli.app, ["list"])
    assert result.exit_code == exits.INTERNAL
    assert (
        result.stderr
        == "Error: Something went wrong inside the program (ZeroDivisionError). Run it again with --verbose to see where.\n"
    )
    assert "ZeroDivisionError" in CliRunner().invoke(cli.app, ["list", "--verbose"]).stderr


def test_completion_is_offered() -> None:
    said = run("--show-completion", "bash")
    assert said.returncode == 0 or "shell" in said.stderr.lower()
