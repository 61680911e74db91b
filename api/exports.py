"""Export jobs, and the files they leave in the data folder."""

import re
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from crossmodal.errors import QueryError
from crossmodal.jobs import JobStatus
from crossmodal.progress import OnProgress
from transfer.exporting import export_items
from upkeep.live_app import LiveApp

_SUFFIXES = {"csv": ".csv", "parquet": ".parquet", "npy": ".npy"}
_OURS = re.compile(r"items-[0-9]{8}-[0-9]{6}.*\.(csv|parquet|npy|json|txt)", re.ASCII)

Where = Mapping[str, str | Sequence[str]]


def start_export(app: LiveApp, folder: Path | None, kind: str, where: Where | None) -> JobStatus:
    """Begin writing a new file into the folder; it appears there when it is complete.

    Raises:
        QueryError: `not_found`, this API exports nothing. BusyError: another job is running.
    """
    if folder is None:
        raise QueryError("not_found", "This API exports nothing.", remedy="Export from the command line.")
    path = folder / f"items-{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() // 1_000_000 % 1_000:03}{_SUFFIXES[kind]}"

    def work(note: OnProgress, stop: threading.Event) -> str:
        folder.mkdir(parents=True, exist_ok=True)
        export_items(app, path, kind, where, on_progress=note, stop=stop)
        return f"Exported as {path.name}"

    return app.jobs.start("export", f"Exporting as {path.name}", work)


def export_files(folder: Path | None) -> list[Path]:
    """Finished exports, newest first; none where there is no folder."""
    if folder is None or not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if _OURS.fullmatch(path.name) and path.is_file() and not path.is_symlink()]
    return sorted(found, key=lambda path: path.name, reverse=True)
