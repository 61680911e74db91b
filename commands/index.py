"""`index`: index a folder, CSV, Parquet, ZIP or tar shards into the collection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from commands import _app, _console
from commands._app import stop_on_interrupt
from commands._open import opened_app, settings
from commands._options import Quiet, Verbose
from commands._progress import ProgressBar
from crossmodal.errors import SourceError
from crossmodal.installation import COMMAND
from crossmodal.text.cleaning import counted, were

if TYPE_CHECKING:
    import threading

    from engine.live import LiveApp


def index(
    location: Annotated[
        str | None,
        typer.Argument(help="A folder of pictures, or a CSV, Parquet, ZIP or tar file; by default all known catalogues."),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Keep running and follow a folder: new, changed, renamed and deleted pictures.")
    ] = False,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair", help="Recompute missing, damaged or wrong embeddings from the stored pictures; reads no catalogue."
        ),
    ] = False,
    mend: Annotated[bool, typer.Option("--mend", "--fix", hidden=True, help="Another name for --repair.")] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Index pictures into the collection; indexing again processes only changes.

    The demo's pictures are removed as soon as the first of your own are indexed. Ctrl-C stops cleanly, and the same command
    resumes. "failed" lists pictures that cannot be read with the reason; if none can be read, the exit status is 1. A catalogue that
    cannot be read is reported, and the others are still indexed.
    """
    _console.prepare(quiet=quiet, verbose=verbose)
    repair = repair or mend
    if watch and (location is None or repair):
        raise typer.BadParameter("--watch needs a folder to follow.")
    if repair and location is not None:
        raise typer.BadParameter("--repair reads no catalogue: omit the location.")
    if location is not None and not location.strip():
        raise typer.BadParameter("The location is empty: give a folder or a file, or omit it to index all known catalogues.")
    if location is not None:
        _look_at(location)
    with stop_on_interrupt() as stop, ProgressBar(quiet=quiet, answered=("index",)) as progress:
        if repair:
            from doctor.repair import repair_collection

            _console.plain(repair_collection(settings(), progress, stop))
            return
        with opened_app(progress, fill=False) as app:
            if watch and location:
                _follow(app, location, progress, stop, quiet=quiet)
            code, failed = _read(app, [location] if location else _known(app), progress, stop, alone=location is not None)
            if failed and not quiet:
                _console.note(f"{counted(failed, 'row')} {were(failed)} not indexed: {COMMAND} failed")
    if code:
        raise typer.Exit(code)


def _look_at(location: str) -> None:
    """Raise for an invalid location before anything is drawn or trained. Other problems are reported by the app.

    Raises:
        SourceError: there is nothing usable.
    """
    from initialize import open_named

    chosen = settings()
    if not (chosen.store_path.exists() and chosen.model_path.exists()):
        open_named(location, chosen)


def _read(app: LiveApp, locations: list[str], progress: ProgressBar, stop: threading.Event, *, alone: bool) -> tuple[int, int]:
    """Index each catalogue; returns the exit status and the number of failed rows.

    Args:
        alone: an unreadable catalogue fails the command; otherwise it is reported (its disk may be disconnected), and the others
            are indexed.
    """
    code, failed = _app.DONE, 0
    for where in locations:
        try:
            brought = app.tasks.bring_in(where, progress, stop)
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


def _follow(app: LiveApp, location: str, progress: ProgressBar, stop: threading.Event, *, quiet: bool) -> NoReturn:
    """Watch a folder until Ctrl-C; never returns normally."""
    from engine.watch import watch_folder

    def ready() -> None:
        if not quiet:
            _console.note(f"Watching {_console.cell(location)} for changes. Press Ctrl-C to end.")

    watch_folder(app, location, progress, stop, say=_console.answer_now, warn=_console.complain, ready=ready)
    raise typer.Exit(_app.STOPPED)


def _known(app: LiveApp) -> list[str]:
    """The locations of all catalogues of the collection; the installation's own if there are none."""
    chosen = settings()
    known = [entry.location for entry in app.store.sources.all()]
    return known or [chosen.catalogue or str(chosen.demo_csv_path)]
