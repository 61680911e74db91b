"""The command group: turns every error into one sentence on standard error and an exit status."""

import errno
import logging
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import typer
from typer.core import TyperGroup

from commands import _console
from crossmodal import errors
from crossmodal.errors import CrossmodalError, StoreError
from crossmodal.installation import COMMAND

DONE = 0
NOTHING = 1
USAGE = 2
MISSING = 3
UNUSABLE = 4
COLLECTION = 5
BUSY = 6
INTERNAL = 70
STOPPED = 130

MEANINGS = {
    DONE: "done",
    NOTHING: "nothing found, or a check found something",
    USAGE: "wrong usage of the command",
    MISSING: "the item or file does not exist",
    UNUSABLE: "a picture, address or catalogue cannot be used",
    COLLECTION: "the collection or the model cannot be used, or a file cannot be written",
    BUSY: "another process is busy: try again",
    INTERNAL: "internal error",
    STOPPED: "interrupted",
}
"""Exit statuses and their meanings; shown by `--help` and in docs/cli.md."""

_BY_CODE = {
    "bad_request": USAGE,
    "text_empty": USAGE,
    "text_too_long": USAGE,
    "forbidden": USAGE,
    "not_found": MISSING,
    "file_missing": MISSING,
    "weights_missing": MISSING,
    "checkpoint_invalid": COLLECTION,
    "index_missing": COLLECTION,
    "index_corrupt": COLLECTION,
    "index_model_mismatch": COLLECTION,
    "store_too_new": COLLECTION,
    "read_only": COLLECTION,
    "disk_full": COLLECTION,
    "training_failed": COLLECTION,
    "busy": BUSY,
    "rate_limited": BUSY,
    "stopped": STOPPED,
    "internal": INTERNAL,
}


def exit_code(error: CrossmodalError) -> int:
    """The exit status for an error; codes without an entry count as unusable input."""
    return _BY_CODE.get(error.code, UNUSABLE)


def help_text() -> str:
    """The exit statuses as one paragraph for `--help`."""
    return "Exit codes: " + " · ".join(f"{code} {meaning}" for code, meaning in MEANINGS.items()) + "."


_FULL = (errno.ENOSPC, errno.EDQUOT)


def refusal(error: OSError) -> CrossmodalError:
    """Translate an OSError, naming its file if known; `internal` if it does not concern a file."""
    if isinstance(error.filename, str | bytes):
        return errors.from_oserror(error, Path(os.fsdecode(error.filename)))
    why = error.strerror or type(error).__name__
    if error.errno in _FULL:
        return StoreError("disk_full", f"A disk is full: {why}.", remedy="Free some space and try again.")
    return CrossmodalError("internal", f"A system call failed: {why}.", remedy="Run it again with --verbose to see where.")


log = logging.getLogger(__name__)

# On narrower terminals the drawn tables of options truncate even names; the plain help wraps instead.
_DRAWN_FROM = 80


DATA_DIR = "data_dir"
"""The option of the group that is also accepted after a command."""


class CommandGroup(TyperGroup):
    """Commands whose errors are printed as one sentence; a traceback only with `--verbose`."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _without_types_of_flags(super().get_params(ctx))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command: Any = super().get_command(ctx, cmd_name)
        if command is not None:
            if not any(param.name == DATA_DIR for param in command.params):
                command.params += [param for param in self.params if param.name == DATA_DIR]
            _without_types_of_flags(command.get_params(ctx))
            if shutil.get_terminal_size().columns < _DRAWN_FROM:
                command.rich_markup_mode = None
        return command

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with _guarded():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with _guarded():
            return super().invoke(ctx)


@contextmanager
def _guarded() -> Iterator[None]:
    """Print exceptions and convert them to typer's `Exit`; typer's own exceptions and closed pipes pass."""
    try:
        yield
    except CrossmodalError as error:
        log.debug("%s", error.code, exc_info=True)
        _console.complain(error.message, error.remedy)
        raise typer.Exit(exit_code(error)) from None
    except typer.TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            raise  # its help was already printed
        _complain_of_usage(error)
        raise typer.Exit(USAGE) from None
    except (typer.Exit, typer.Abort):
        raise  # printed by typer
    except KeyboardInterrupt:  # the second Ctrl-C
        raise typer.Exit(STOPPED) from None
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise  # the reader is gone; typer exits silently
        log.debug("refused", exc_info=True)
        refused = refusal(error)
        _console.complain(refused.message, refused.remedy)
        raise typer.Exit(exit_code(refused)) from None
    except Exception as error:
        log.debug("unexpected", exc_info=True)
        what = f"An internal error occurred ({type(error).__name__})."
        _console.complain(what, "Run it again with --verbose to see where.")
        raise typer.Exit(INTERNAL) from None


def _complain_of_usage(error: typer.TyperException) -> None:
    """Print usage errors like all others: one line without typer's frame, so that logs can be searched."""
    what = error.format_message().removeprefix("Invalid value: ").replace(": Value error, ", ": ")
    context = getattr(error, "ctx", None)
    command = context.command_path.partition(" ")[2] if context else ""
    _console.complain(what if what.endswith((".", "?")) else f"{what}.", f"See: {' '.join(f'{COMMAND} {command} --help'.split())}")


def _without_types_of_flags(params: list[Any]) -> list[Any]:
    """Remove "<bool>" behind flags in the help, since they take no value."""
    for param in params:
        if getattr(param, "is_bool_flag", False) and param.metavar is None:
            param.metavar = ""
    return params


@contextmanager
def stop_on_interrupt(
    what: str = "Stopping; completed work is kept. Press Ctrl-C again to end at once.",
) -> Iterator[threading.Event]:
    """Yields an event that is set by the first Ctrl-C (or SIGTERM) inside the block; never set outside the main thread.

    Args:
        what: printed when that happens.
    """
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        _console.note(f"\n{what}")

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    former = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
