"""How a command ends when the system refuses something: one sentence, a number that is documented, and never a traceback."""

import errno
import os

import pytest
import typer
from typer.testing import CliRunner, Result

import cli
from commands import _app, _console
from commands._app import CommandGroup


def ended_by(error: BaseException, *words: str) -> Result:
    app = typer.Typer(cls=CommandGroup, pretty_exceptions_enable=False)

    @app.command()
    def other() -> None:
        """A group has at least two commands."""

    @app.command()
    def work(verbose: bool = False) -> None:
        _console.prepare(verbose=verbose)
        raise error

    return CliRunner().invoke(app, ["work", *words])


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (
            FileNotFoundError(errno.ENOENT, "No such file or directory", "/proc/x"),
            _app.COLLECTION,
            "/proc/x cannot be reached: No",
        ),
        (PermissionError(errno.EACCES, "Permission denied", b"/closed/x"), _app.COLLECTION, "/closed/x cannot be written: Perm"),
        (OSError(errno.ENOSPC, "No space left on device", "/full/x"), _app.COLLECTION, "The disk of /full/x is full"),
        (OSError(errno.ENOSPC, "No space left on device"), _app.COLLECTION, "A disk is full: No space left on device. Free some"),
        (OSError(errno.EMFILE, "Too many open files"), _app.INTERNAL, "A system call failed: Too many open files."),
        (OSError(errno.EBADF, "Bad file descriptor", 7), _app.INTERNAL, "A system call failed: Bad file descriptor."),
        (TimeoutError(), _app.INTERNAL, "A system call failed: TimeoutError."),
    ],
)
def test_what_the_system_refuses_is_one_sentence(error: OSError, code: int, said: str) -> None:
    result = ended_by(error)
    assert result.exit_code == code, result.output
    assert code in _app.MEANINGS
    [line] = result.stderr.splitlines()
    assert line.startswith(f"Error: {said}")
    assert "Traceback" in ended_by(error, "--verbose").stderr


def test_a_closed_pipe_is_left_to_typer() -> None:
    result = ended_by(BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)))
    assert result.exit_code == 1
    assert result.stderr == ""


def test_a_second_ctrl_c_ends_with_its_own_number() -> None:
    result = ended_by(KeyboardInterrupt())
    assert (result.exit_code, result.stderr) == (_app.STOPPED, "")


def test_a_command_asked_wrongly_is_one_line_that_names_its_help() -> None:
    for words, said in (
        (("list", "--nosuch"), "No such option: --nosuch. See: python cli.py list --help"),
        (("serach",), "No such command 'serach'. Did you mean 'search'? See: python cli.py --help"),
        (("search",), "Give one thing to search for: a query, --item or --captions-for. See: python cli.py search --help"),
        (
            ("evaluate", "--side", "left"),
            "Invalid value for '--side': 'left' is not one of 'test', 'validation', 'train', 'all'. See: python cli.py evaluate --help",
        ),
    ):
        result = CliRunner().invoke(cli.app, words)
        assert (result.exit_code, result.stderr) == (_app.USAGE, f"Error: {said}\n")


def test_nothing_asked_is_answered_by_the_help_alone() -> None:
    result = CliRunner().invoke(cli.app, [])
    assert result.exit_code == _app.USAGE
    assert "Usage: " in result.output
    assert "Error" not in result.output


def test_a_narrow_terminal_cuts_no_name_off(monkeypatch: pytest.MonkeyPatch) -> None:
    for columns in (40, 60, 80):
        monkeypatch.setenv("COLUMNS", str(columns))
        said = CliRunner().invoke(cli.app, ["train", "--help"]).stdout
        assert "--image-learning-rate" in said
        assert "--save-every-epochs" in said
