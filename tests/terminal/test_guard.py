"""How a command ends when the system refuses something: one sentence, a number that is documented, and never a traceback."""

import errno
import os

import pytest
import typer
from typer.testing import CliRunner, Result

from terminal import exits, output
from terminal.guard import Guarded


def ended_by(error: BaseException, *words: str) -> Result:
    app = typer.Typer(cls=Guarded, pretty_exceptions_enable=False)

    @app.command()
    def other() -> None:
        """A group has at least two commands."""

    @app.command()
    def work(verbose: bool = False) -> None:
        output.prepare(verbose=verbose)
        raise error

    return CliRunner().invoke(app, ["work", *words])


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (
            FileNotFoundError(errno.ENOENT, "No such file or directory", "/proc/x"),
            exits.COLLECTION,
            "/proc/x cannot be reached: No",
        ),
        (PermissionError(errno.EACCES, "Permission denied", b"/closed/x"), exits.COLLECTION, "/closed/x cannot be written: Perm"),
        (OSError(errno.ENOSPC, "No space left on device", "/full/x"), exits.COLLECTION, "The disk of /full/x is full"),
        (OSError(errno.ENOSPC, "No space left on device"), exits.COLLECTION, "A disk is full: No space left on device. Free some"),
        (OSError(errno.EMFILE, "Too many open files"), exits.INTERNAL, "The system refused something: Too many open files."),
        (OSError(errno.EBADF, "Bad file descriptor", 7), exits.INTERNAL, "The system refused something: Bad file descriptor."),
        (TimeoutError(), exits.INTERNAL, "The system refused something: TimeoutError."),
    ],
)
def test_what_the_system_refuses_is_one_sentence(error: OSError, code: int, said: str) -> None:
    result = ended_by(error)
    assert result.exit_code == code, result.output
    assert code in exits.MEANINGS
    [line] = result.stderr.splitlines()
    assert line.startswith(f"Error: {said}")
    assert "Traceback" in ended_by(error, "--verbose").stderr


def test_a_closed_pipe_is_left_to_typer() -> None:
    result = ended_by(BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)))
    assert result.exit_code == 1
    assert result.stderr == ""


def test_a_second_ctrl_c_ends_with_its_own_number() -> None:
    result = ended_by(KeyboardInterrupt())
    assert (result.exit_code, result.stderr) == (exits.STOPPED, "")
