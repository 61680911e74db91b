"""What a command writes: answers on the output, everything else on the error output; tables for a person, plain lines for a pipe."""

import json
import logging
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from crossmodal.text.cleaning import display_text

_LONGEST_CELL = 500
_SHORTENED = 60
# Libraries whose debugging helps nobody who searches pictures.
_TALKATIVE = ("urllib3", "asyncio", "PIL", "watchfiles", "torch", "matplotlib")


class _ErrorOutput(logging.Handler):
    """Writes the log where notes go, also after somebody replaced the error output."""

    def emit(self, record: logging.LogRecord) -> None:
        note(self.format(record))


def is_terminal() -> bool:
    """Whether the answers are read by a person."""
    return sys.stdout.isatty()


def open_closed_streams() -> None:
    """Let each standard stream that was closed before the start (`>&-`) lead nowhere; once, before anything else is opened.

    Otherwise the first file opened, such as the store, takes the stream's number, and what any library writes there goes into it.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - open to the end


def prepare(*, quiet: bool = False, verbose: bool = False) -> None:
    """Once at the start of a command: letters the terminal lacks become escapes, and the log is heard as loudly as was asked."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    root = logging.getLogger()
    root.setLevel(logging.DEBUG if verbose else logging.ERROR if quiet else logging.WARNING)
    if not any(isinstance(handler, _ErrorOutput) for handler in root.handlers):
        root.addHandler(_ErrorOutput())
    for name in _TALKATIVE:
        talker = logging.getLogger(name)
        talker.setLevel(max(talker.level, logging.WARNING))  # what is quieter already has its reason: addresses may hold keys


def cell(value: object) -> str:
    """A value as one line of visible text: what a stranger's title holds never moves the cursor or adds a column."""
    return display_text(str(value), max_chars=_LONGEST_CELL)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: Sequence[str] = ()) -> None:
    """Rows under their columns: drawn on a terminal, tab-separated lines without a header in a pipe.

    Args:
        numbers: columns to be set to the right.
    """
    if not is_terminal():
        for row in rows:
            plain("\t".join(cell(value) for value in row))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, header_style="bold")
    for name in columns:
        drawn.add_column(name, justify="right" if name in numbers else "left", overflow="fold", no_wrap=name in numbers)
    for row in rows:
        drawn.add_row(*(Text(display_text(str(value), max_chars=_SHORTENED)) for value in row))
    Console().print(drawn)


def plain(line: str) -> None:
    """One line of an answer."""
    sys.stdout.write(line + "\n")


def answer_now(line: str) -> None:
    """A line of an answer that goes on for long: whoever reads it in a pipe has it at once."""
    plain(line)
    sys.stdout.flush()


def as_json(value: Any) -> None:
    """An answer as one JSON document."""
    plain(json.dumps(value, ensure_ascii=False, indent=2 if is_terminal() else None))


def note(line: str) -> None:
    """A line beside the answer, for a person."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def complain(message: str, remedy: str = "") -> None:
    """What went wrong and what to do."""
    note(f"Error: {cell(message)}" + (f" {cell(remedy)}" if remedy else ""))
