"""`export`: export the collection or a part of it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from commands import _app, _console
from commands._app import stop_on_interrupt
from commands._open import opened_app, opened_store
from commands._options import Quiet, Verbose, Where, where_of, why_nothing
from commands._progress import ProgressBar

if TYPE_CHECKING:
    from crossmodal.store import Store

_KINDS = {".csv": "csv", ".parquet": "parquet", ".npy": "npy", "": "folder"}
_TOP = 50
_STOPPING = "Stopping; nothing will be written. Press Ctrl-C again to end at once."


def export(
    path: Annotated[
        Path, typer.Argument(help="NAME.csv, NAME.parquet, NAME.npy (with NAME.ids.json), or a new folder for the pictures.")
    ],
    kind: Annotated[
        Literal["csv", "parquet", "npy", "folder"] | None, typer.Option(help="By default inferred from the name.")
    ] = None,
    where: Where = None,
    search: Annotated[
        str | None, typer.Option("--search", metavar="WORDS", help="Only the results of this search, best first.")
    ] = None,
    top: Annotated[
        int | None, typer.Option("--top", "-k", help=f"With --search: maximum number of results; default {_TOP}.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file; never a folder.")] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write items to a file, or their pictures to a folder that can be indexed again; atomically.

    A CSV cell that a spreadsheet would evaluate is prefixed with an apostrophe. Without items nothing is written, and the exit status is 1.
    """
    _console.prepare(quiet=quiet, verbose=verbose)
    chosen = _kind(path, kind)
    if top is not None and search is None:
        raise typer.BadParameter("--top requires --search.")
    from engine.export import export_items
    from engine.export_formats import Exported

    wanted = where_of(where)
    with stop_on_interrupt(_STOPPING) as stop, ProgressBar(quiet=quiet, answered=("export",)) as progress, ExitStack() as opened:
        ids = None
        if search is None:  # no model needed
            source = Exported.of_store(opened.enter_context(opened_store()))
        else:
            app = opened.enter_context(opened_app(progress, fill=False))
            found = app.search_by_text(search, _TOP if top is None else top, where=wanted)
            source, ids = Exported.of(app), [result.item.item_id for result in found]
        if not (_holds_any(source.store, wanted) if ids is None else ids):
            if not quiet:
                _console.note(why_nothing(wanted))
            raise typer.Exit(_app.NOTHING)
        count = export_items(
            source,
            path.expanduser(),
            chosen,
            wanted,
            ids=ids,
            overwrite=overwrite,
            on_progress=progress,
            stop=stop,
        )
    _console.plain(f"{count}\t{_console.cell(path)}")


def _kind(path: Path, wanted: str | None) -> str:
    """The requested kind, or the one inferred from the name. Raises BadParameter if the name is unsuitable."""
    if not path.name:
        raise typer.BadParameter("Give a file, or a new folder for the pictures.")
    if str(path) == "-":
        raise typer.BadParameter("An export is an atomically written file or folder; it cannot be written to standard output.")
    chosen = wanted or _KINDS.get(path.suffix.lower())
    if chosen is None:
        what = (
            f'There is no export format for "{_console.cell(path.suffix)}". Known: .csv, .parquet, .npy, and no suffix for a folder'
        )
        raise typer.BadParameter(f"{what}; or use --kind.")
    return chosen


def _holds_any(store: Store, where: dict[str, list[str]] | None) -> bool:
    from crossmodal.filters import Filter

    return bool(store.items.matching_page(1, 0, Filter.of(where)))
