"""The command line as a whole: its help, how fast it comes, and how a command ends."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import cli
from commands import _app
from crossmodal.errors import HTTP_STATUS, CrossmodalError
from crossmodal.installation import VERSION

PROJECT = Path(__file__).resolve().parents[1]
COMMANDS = [name for panel in cli.PANELS.values() for name in panel]


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
    for name in COMMANDS:
        assert f" {name} " in said.stdout
    words = " ".join(said.stdout.split())
    for code, meaning in _app.MEANINGS.items():
        assert f"{code} {meaning}" in words


@pytest.mark.parametrize("name", COMMANDS)
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


def test_a_command_loads_no_other() -> None:
    code = "import sys, cli\ntry: cli.app(['search', '--help'])\nexcept SystemExit: pass\nprint(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, timeout=60)
    files = {*COMMANDS} & {
        name.removeprefix("commands.").replace("_", "-")
        for name in said.stdout.splitlines()[-1].split()
        if name.startswith("commands.")
    }
    assert files == {"search"}


def test_every_code_of_the_family_has_an_exit_code_that_is_explained() -> None:
    assert {_app.exit_code(CrossmodalError(code, "x")) for code in HTTP_STATUS} <= set(_app.MEANINGS)


def test_unknown_words_are_a_mistake_of_the_command_line() -> None:
    assert run("serach").returncode == 2
    assert run("list", "--nosuch").returncode == 2


def test_a_mistake_of_the_program_is_one_sentence_and_a_number(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("commands._open.settings", lambda: 1 / 0)
    result = CliRunner().invoke(cli.app, ["list"])
    assert result.exit_code == _app.INTERNAL
    assert result.stderr == "Error: An internal error occurred (ZeroDivisionError). Run it again with --verbose to see where.\n"
    assert "ZeroDivisionError" in CliRunner().invoke(cli.app, ["list", "--verbose"]).stderr


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="completes words in bash")
@pytest.mark.parametrize(("words", "last", "found"), [("./cli.py sea", 1, "search"), ("./cli.py export --wh", 2, "--where")])
def test_bash_completes_what_can_be_run(words: str, last: int, found: str) -> None:
    """The function that completion installs, called as bash calls it; the script runs the file itself, so it has to be runnable."""
    script = f"""
complete -p cli.py > /dev/null || source <(./cli.py --show-completion)
complete -p cli.py | grep -q 'default -F _clipy_completion' || exit 9
COMP_WORDS=({words}); COMP_CWORD={last}
_clipy_completion ./cli.py
echo "${{COMPREPLY[@]}}"
"""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    said = subprocess.run(["bash", "-c", script], cwd=PROJECT, capture_output=True, text=True, timeout=120, env=environment)
    assert said.returncode == 0, said.stderr
    assert said.stdout.split() == [found]


def test_help_breaks_lines_where_the_terminal_ends() -> None:
    lines = [line.strip() for line in run("search", "--help", COLUMNS="80").stdout.splitlines()]
    assert "In a pipe each result is one line: rank, score, id, title, catalogue and" in lines
    assert "source, separated by tabs. Exits with 1 if nothing is found." in lines


@pytest.mark.slow
def test_flags_take_no_value_in_the_help() -> None:
    for words in ((), ("search",), ("train",)):
        assert "<bool>" not in run(*words, "--help").stdout
    said = " ".join(run("train", "--help").stdout.replace("│", " ").split())
    assert "Passes over the pictures. --batch-size" in said
    assert "[default: (all)]" in said


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_in_the_first_moment_is_no_traceback(tmp_path: Path) -> None:
    """Typer itself is held up here, so that the signal comes while the file is still importing."""
    (tmp_path / "typer.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    process = subprocess.Popen(
        [sys.executable, "cli.py", "list"],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (_app.STOPPED, "")


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="closes streams as a shell does")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_leads_nowhere(closed: str, tmp_path: Path) -> None:
    """`models --presets` is asked, which needs neither a collection nor a model."""
    said = subprocess.run(
        ["bash", "-c", f"{sys.executable} cli.py models --presets {closed}"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "CROSSMODAL_DATA_DIR": str(tmp_path)},
    )
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.startswith("resnet18-gru\t") != (">&-" in closed.split())


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full")
def test_help_onto_a_full_disk_is_one_sentence() -> None:
    for words in ((), ("search",)):
        with Path("/dev/full").open("w") as full:
            command = [sys.executable, "cli.py", *words, "--help"]
            said = subprocess.run(command, cwd=PROJECT, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120)
        assert said.returncode == _app.COLLECTION
        assert said.stderr.startswith("Error: A disk is full: ")


@pytest.mark.parametrize("words", [("--data-dir", "{}", "list"), ("list", "--data-dir", "{}"), ("list", "--data-dir={}")])
def test_the_folder_of_the_collection_may_be_named_anywhere(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CROSSMODAL_DATA_DIR", str(tmp_path / "other"))
    asked = [word.format(tmp_path / "chosen") for word in words]
    result = CliRunner().invoke(cli.app, asked)
    assert result.exit_code == _app.COLLECTION
    assert str(tmp_path / "chosen") in result.stderr
    assert str(tmp_path / "other") in CliRunner().invoke(cli.app, ["list"]).stderr  # the next command does not remember


def test_the_version_is_that_of_the_package() -> None:
    result = CliRunner().invoke(cli.app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"visual-search {VERSION}\n")
