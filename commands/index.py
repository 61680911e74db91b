"""`index`: bring a folder, CSV, Parquet, ZIP or shards into the collection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from commands import _app, _console
from commands._app import stop_on_interrupt
from commands._open import opened_app, settings
from commands._options import Quiet, Verbose
from commands._progress import ProgressBar
from crossmodal.errors import SourceError
from crossmodal.text.cleaning import counted, were

if TYPE_CHECKING:
    import threading

    from engine.live import LiveApp


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

    The demo's pictures leave as soon as the first of your own have come. Ctrl-C stops at the next good moment, and the same command goes on
    from there. A picture that cannot be read is listed by "failed" with the reason; where not one could be read, it ends with 1. A
    catalogue that cannot be read is said, and the others are read all the same.
    """
    _console.prepare(quiet=quiet, verbose=verbose)
    if watch and (location is None or mend):
        raise typer.BadParameter("--watch needs a folder to follow.")
    if mend and location is not None:
        raise typer.BadParameter("--mend reads no catalogue: leave the location out.")
    if location is not None and not location.strip():
        raise typer.BadParameter("The location is empty: name a folder or a file, or leave it out to read every known catalogue.")
    if location is not None:
        _look_at(location)
    with stop_on_interrupt() as stop, ProgressBar(quiet=quiet, answered=("index",)) as told:
        if mend:
            from doctor.repair import mend_collection

            _console.plain(mend_collection(settings(), told, stop))
            return
        with opened_app(told, fill=False) as app:
            if watch and location:
                _follow(app, location, told, stop, quiet=quiet)
            code, failed = _read(app, [location] if location else _known(app), told, stop, alone=location is not None)
            if failed and not quiet:
                _console.note(f"{counted(failed, 'row')} {were(failed)} not brought in: python cli.py failed")
    if code:
        raise typer.Exit(code)


def _look_at(location: str) -> None:
    """Refuse what is no catalogue before anything is drawn or trained for it. Where all that is there, the app says it, and knows more.

    Raises:
        SourceError: nothing usable is there.
    """
    from initialize import open_named

    chosen = settings()
    if not (chosen.store_path.exists() and chosen.model_path.exists()):
        open_named(location, chosen)


def _read(app: LiveApp, locations: list[str], told: ProgressBar, stop: threading.Event, *, alone: bool) -> tuple[int, int]:
    """Read each catalogue; answers how the command ends, and how many rows of them failed.

    Args:
        alone: one that cannot be read is the whole command's failure; otherwise its disk may be unplugged, and the others are read.
    """
    code, failed = _app.DONE, 0
    for where in locations:
        try:
            brought = app.tasks.bring_in(where, told, stop)
        except SourceError as error:
            if alone:
                raise
            code = _app.exit_code(error)
            _console.complain(f"{where}: {error.message}", error.remedy)
            continue
        _console.plain(brought.sentence)
        failed += brought.report.failed
        if brought.nothing_came:
            code = code or _app.NOTHING
    return code, failed


def _follow(app: LiveApp, location: str, told: ProgressBar, stop: threading.Event, *, quiet: bool) -> NoReturn:
    """Watch a folder until Ctrl-C, which is how this command always ends."""
    from engine.watch import watch_folder

    def ready() -> None:
        if not quiet:
            _console.note(f"Watching {_console.cell(location)}: what changes there changes here. Ctrl-C ends it.")

    watch_folder(app, location, told, stop, say=_console.answer_now, warn=_console.complain, ready=ready)
    raise typer.Exit(_app.STOPPED)


def _known(app: LiveApp) -> list[str]:
    """Where every catalogue of the collection lies; the installation's own while there is none."""
    chosen = settings()
    known = [entry.location for entry in app.store.sources.all()]
    return known or [chosen.catalogue or str(chosen.demo_csv_path)]
