"""`failed`: rows that are not in the collection, with their reasons; and another try."""

from __future__ import annotations

from typing import Annotated

import typer

from crossmodal.text.counting import counted
from terminal import output
from terminal.interrupts import stop_on_interrupt
from terminal.opening import opened_app, opened_catalog
from terminal.options import Json, Quiet, Verbose
from terminal.progress_bar import ProgressBar


def failed(
    retry: Annotated[bool, typer.Option("--retry", help="Try exactly these rows again.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """List the rows that could not be brought in, each with what is wrong and what to do.

    In a pipe: code, location, title, reason, remedy, attempts, with tabs between.
    """
    output.prepare(quiet=quiet, verbose=verbose)
    with opened_catalog() as catalog:
        rows = catalog.failures()
    if retry and rows:  # without any, no model is needed to say so
        with stop_on_interrupt() as stop, ProgressBar(quiet=quiet) as told, opened_app(told, fill=False) as app:
            output.plain(app.upkeep.retry(told, stop))
        return
    if retry:
        output.plain("No row failed.")
        return
    if as_json:
        fields = ("key", "catalogue", "location", "title", "code", "reason", "remedy", "attempts", "failed_at")
        output.as_json({"failed": [{name: getattr(row, name) for name in fields} for row in rows]})
        return
    columns = ("code", "location", "title", "reason", "remedy", "attempts")
    output.table(columns, [tuple(getattr(row, name) for name in columns) for row in rows], numbers=("attempts",))
    if not quiet:
        again = f"{counted(len(rows), 'row')} failed. Try {'it' if len(rows) == 1 else 'them'} again: python cli.py failed --retry"
        output.note(again if rows else "No row failed.")
