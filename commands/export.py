"""`export`: take the collection, or a part of it, along."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from terminal import exits, output
from terminal.interrupts import stop_on_interrupt
from terminal.opening import opened_app
from terminal.options import Quiet, Verbose, Where, filter_of
from terminal.progress_bar import ProgressBar

if TYPE_CHECKING:
    from upkeep.live_app import LiveApp

_KINDS = {".csv": "csv", ".parquet": "parquet", ".npy": "npy", "": "folder"}


def export(
    path: Annotated[
        Path, typer.Argument(help="NAME.csv, NAME.parquet, NAME.npy (with NAME.ids.json), or a new folder for the pictures.")
    ],
    kind: Annotated[str | None, typer.Option(help="csv, parquet, npy or folder; without it what the name says.")] = None,
    where: Where = None,
    search: Annotated[str | None, typer.Option("--search", metavar="WORDS", help="Only what these words find, best first.")] = None,
    top: Annotated[int, typer.Option("--top", "-k", help="With --search: how many at most.")] = 50,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it is there.")] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write items to a file, or their pictures to a folder that can be indexed again; whole or not at all.

    A cell of a CSV that a spreadsheet would compute gets an apostrophe before it.
    """
    output.prepare(quiet=quiet, verbose=verbose)
    chosen = kind or _KINDS.get(path.suffix.lower())
    if chosen is None:
        raise typer.BadParameter(f"{path.suffix} says nothing; use --kind.")
    with stop_on_interrupt() as stop, ProgressBar(quiet=quiet) as told, opened_app(told, fill=False) as app:
        from transfer.exporting import export_items

        ids = None if search is None else _found(app, search, top, filter_of(where))
        if ids == []:
            output.note("Nothing was found.")
            raise typer.Exit(exits.NOTHING)
        count = export_items(
            app,
            path.expanduser(),
            chosen,
            None if ids is not None else filter_of(where),
            ids=ids,
            overwrite=overwrite,
            on_progress=told,
            stop=stop,
        )
    output.plain(f"{count}\t{output.cell(path)}")


def _found(app: LiveApp, words: str, top: int, where: dict[str, list[str]] | None) -> list[int]:
    return [result.item.item_id for result in app.search_by_text(words, top, where=where)]
