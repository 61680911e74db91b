"""`index`: bring a folder, CSV, Parquet, ZIP or shards into the collection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from crossmodal.errors import CatalogueError
from terminal import exits, output
from terminal.interrupts import stop_on_interrupt
from terminal.opening import opened_app, settings
from terminal.options import Quiet, Verbose
from terminal.progress_bar import ProgressBar

if TYPE_CHECKING:
    from upkeep.live_app import LiveApp


def index(
    location: Annotated[
        str | None,
        typer.Argument(help="A folder of pictures, or a CSV, Parquet, ZIP or tar file. Without it: every catalogue known so far."),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Stay, and follow a folder: new, changed, renamed and deleted pictures.")
    ] = False,
    mend: Annotated[
        bool,
        typer.Option("--mend", help="Make missing, damaged or wrong embeddings again from the stored pictures; read no catalogue."),
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Bring pictures into the collection; a second time looks only at what changed.

    Ctrl-C stops at the next good moment, and the same command goes on from there. A picture that cannot be read is listed by "failed" with
    the reason. A catalogue that cannot be read is said, and the others are read all the same.
    """
    output.prepare(quiet=quiet, verbose=verbose)
    if watch and (location is None or mend):
        raise typer.BadParameter("--watch needs a folder to follow.")
    if mend and location is not None:
        raise typer.BadParameter("--mend reads no catalogue: leave the location out.")
    with stop_on_interrupt() as stop, ProgressBar(quiet=quiet) as told:
        if mend:
            from doctor.mending import mend_collection

            output.plain(mend_collection(settings(), told, stop))
            return
        with opened_app(told, fill=False) as app:
            if watch and location:
                from upkeep.watching import watch_folder

                watch_folder(app, location, told, stop, say=output.plain)
                return
            away = None
            for where in [location] if location else _known(app):
                try:
                    output.plain(app.upkeep.index(where, told, stop))
                except CatalogueError as error:
                    if location:
                        raise
                    away = error  # its disk may be unplugged; those of the others are not
                    output.complain(f"{where}: {error.message}", error.remedy)
            failed = len(app.failures())
            if failed and not quiet:
                output.note(f"{failed:,} rows are not in the collection: python cli.py failed")
    if away is not None:
        raise typer.Exit(exits.exit_code(away))


def _known(app: LiveApp) -> list[str]:
    """Where every catalogue of the collection lies; the installation's own while there is none."""
    chosen = settings()
    known = [entry.location for entry in app.catalog.catalogues()]
    return known or [chosen.catalogue or str(chosen.catalogue_path)]
