"""`failed`: list rows that could not be indexed, with reasons; retry them."""

from __future__ import annotations

from typing import Annotated

import typer

from commands import _console
from commands._app import stop_on_interrupt
from commands._open import opened_app, opened_store
from commands._options import Json, Quiet, Verbose
from commands._progress import ProgressBar
from crossmodal.installation import COMMAND
from crossmodal.text.cleaning import counted


def failed(
    retry: Annotated[bool, typer.Option("--retry", help="Retry exactly these rows.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """List the rows that could not be indexed, with reason and remedy.

    In a pipe: code, location, title, reason, remedy, attempts, separated by tabs.
    """
    _console.prepare(quiet=quiet, verbose=verbose)
    with opened_store() as store:
        rows = store.failures.all()
    if retry and rows:  # without rows no model is needed
        with stop_on_interrupt() as stop, ProgressBar(quiet=quiet) as progress, opened_app(progress, fill=False) as app:
            _console.plain(app.tasks.retry(progress, stop))
        return
    if retry:
        _console.plain("No row failed.")
        return
    if as_json:
        fields = ("key", "source", "location", "title", "code", "reason", "remedy", "attempts", "failed_at")
        _console.as_json({"failed": [{_public(name): getattr(row, name) for name in fields} for row in rows]})
        return
    columns = ("code", "location", "title", "reason", "remedy", "attempts")
    _console.table(columns, [tuple(getattr(row, name) for name in columns) for row in rows], numbers=("attempts",))
    if not quiet:
        again = f"{counted(len(rows), 'row')} failed. To retry: {COMMAND} failed --retry"
        _console.note(again if rows else "No row failed.")


def _public(name: str) -> str:
    """The JSON name of a field, where a source is called a catalogue."""
    return "catalogue" if name == "source" else name
