"""Export jobs, and the files they leave in the data folder."""

import re
import threading
import time
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

from api.answered.rendering import EXPORT
from crossmodal import file_errors
from crossmodal.catalog import Filter
from crossmodal.errors import QueryError
from crossmodal.items import Item
from crossmodal.jobs import JobStatus
from crossmodal.progress import OnProgress
from transfer.exporting import export_items
from transfer.source import Source
from upkeep.live_app import LiveApp

_SUFFIXES = {"csv": ".csv", "parquet": ".parquet", "npy": ".npy"}
_KEPT = 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,100}", re.ASCII)
_OURS = re.compile(r"items-[0-9]{8}-[0-9]{6}.*\.(csv|parquet|npy|json|txt)", re.ASCII)


def start_export(app: LiveApp, folder: Path | None, kind: str, where: Filter | None, *, shown: Callable[[Item], Item]) -> JobStatus:
    """Begin writing a new file into the folder; it appears there when it is complete, and then only the newest twenty exports stay.

    Args:
        shown: what is written in place of an item.

    Raises:
        QueryError: `not_found`, this API exports nothing. BusyError: another job is running.
    """
    if folder is None:
        raise QueryError("not_found", "This API exports nothing.", remedy="Export from the command line.")
    path = folder / f"items-{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() // 1_000_000 % 1_000:03}{_SUFFIXES[kind]}"

    def work(note: OnProgress, stop: threading.Event) -> str:
        folder.mkdir(parents=True, exist_ok=True)
        export_items(Source.of(app), path, kind, where, shown=shown, on_progress=note, stop=stop)
        _drop_older(folder)
        return f"Exported as {path.name}"

    return app.jobs.start(EXPORT, f"Exporting as {path.name}", work)


def export_files(folder: Path | None) -> list[Path]:
    """Finished exports, newest first; none where there is no folder."""
    if folder is None or not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if _OURS.fullmatch(path.name) and path.is_file() and not path.is_symlink()]
    return sorted(found, key=lambda path: path.name, reverse=True)


def export_file(folder: Path | None, name: str) -> Path:
    """A finished export by its name. Raises QueryError `not_found`."""
    if _NAME.fullmatch(name):
        for path in export_files(folder):
            if path.name == name:
                return path
    raise QueryError("not_found", f"There is no export {name!r:.60}.", remedy="GET /api/exports lists them.")


def delete_export(folder: Path | None, name: str) -> None:
    """Delete a finished export. Raises QueryError `not_found`."""
    path = export_file(folder, name)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise file_errors.of_os(error, path) from error


def _drop_older(folder: Path) -> None:
    """Keep the newest exports; vectors and the ids beside them are one."""
    exports = [list(files) for _, files in groupby(export_files(folder), lambda path: path.name.partition(".")[0])]
    for files in exports[_KEPT:]:
        for path in files:
            path.unlink(missing_ok=True)
