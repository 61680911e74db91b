"""Export jobs and the files they write to the data folder."""

import re
import threading
from collections.abc import Callable
from datetime import datetime
from itertools import groupby
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import FileResponse
from starlette.types import Message, Receive, Scope, Send

from api.errors import bad_request, error_response
from api.responses import EXPORT
from crossmodal import errors
from crossmodal.errors import QueryError
from crossmodal.filters import Where
from crossmodal.items import Item
from crossmodal.jobs import JobStatus
from crossmodal.progress import OnProgress
from engine.export import export_items
from engine.export_formats import Exported
from engine.live import LiveApp

_SUFFIXES = {"csv": ".csv", "parquet": ".parquet", "npy": ".npy"}
_KEPT = 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,100}", re.ASCII)
_OURS = re.compile(r"items-([0-9]{8})-([0-9]{6})(?:-([0-9]{3}))?.*\.(?:csv|parquet|npy|json|txt)", re.ASCII)


def start_export(
    app: LiveApp,
    folder: Path | None,
    kind: str,
    where: Where | None,
    *,
    shown: Callable[[Item], Item],
    now: Callable[[], datetime] = datetime.now,
) -> JobStatus:
    """Start a job that writes a new file; it appears when it is complete, and only the newest twenty exports are kept.

    Args:
        shown: maps an item to what is exported of it.

    Raises:
        QueryError: `not_found`, this API exports nothing. BusyError: another job is running.
    """
    if folder is None:
        raise QueryError("not_found", "This API exports nothing.", remedy="Export from the command line.")
    path = folder / f"{_new_name(folder, now())}{_SUFFIXES[kind]}"

    def work(note: OnProgress, stop: threading.Event) -> str:
        folder.mkdir(parents=True, exist_ok=True)
        export_items(Exported.of(app), path, kind, where, shown=shown, on_progress=note, stop=stop)
        _drop_older(folder)
        return f"Exported as {path.name}"

    return app.start_job(EXPORT, f"Exporting as {path.name}", work)


def _new_name(folder: Path, now: datetime) -> str:
    """A name that sorts after every other: the time, or one more than the newest export's if the clock was set back."""
    number = int(f"{now:%Y%m%d%H%M%S}{now.microsecond // 1_000:03}")
    newest = next(iter(export_files(folder)), None)
    if newest is not None and (parts := _OURS.fullmatch(newest.name)):
        number = max(number, int(parts[1] + parts[2] + (parts[3] or "999")) + 1)
    digits = f"{number:017}"
    return f"items-{digits[:8]}-{digits[8:14]}-{digits[14:]}"


def export_files(folder: Path | None) -> list[Path]:
    """Finished exports, newest first; none where there is no folder."""
    try:
        names = [] if folder is None else list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = [path for path in names if _OURS.fullmatch(path.name) and path.is_file() and not path.is_symlink()]
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
        raise errors.from_oserror(error, path) from error


def _drop_older(folder: Path) -> None:
    """Keep the newest exports; vectors and their ids file count as one."""
    exports = [list(files) for _, files in groupby(export_files(folder), lambda path: path.name.partition(".")[0])]
    for files in exports[_KEPT:]:
        for path in files:
            path.unlink(missing_ok=True)


MEDIA_TYPES = {
    ".csv": "text/csv; charset=utf-8",
    ".parquet": "application/vnd.apache.parquet",
    ".npy": "application/octet-stream",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
}
"""By the suffix of an export."""


class Download(FileResponse):
    """A file as an attachment, whole or in the parts named by `Range`; errors have the documented shape.

    Raises:
        QueryError: `not_found`, the file was deleted meanwhile.
    """

    def __init__(self, path: Path) -> None:
        try:
            about = path.stat()
        except FileNotFoundError:
            raise QueryError("not_found", f"There is no export {path.name!r:.60} any more.", remedy="It was deleted.") from None
        headers = {"Content-Security-Policy": "default-src 'none'; sandbox"}
        super().__init__(path, filename=path.name, media_type=MEDIA_TYPES[path.suffix], headers=headers, stat_result=about)
        self._size = about.st_size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        unit, equals, _ = Headers(scope=scope).get("range", "").partition("=")
        if equals and unit.strip().lower() != "bytes":  # HTTP ignores unknown units
            scope = {**scope, "headers": [each for each in scope["headers"] if each[0] != b"range"]}
        refused = 0

        async def shaped(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and message["status"] >= 400:
                refused = message["status"]
            if not refused:
                await send(message)

        await super().__call__(scope, receive, shaped)
        if refused == 416:
            error = bad_request(f"The file has {self._size:,} bytes, and the header Range begins after them.", "Ask for less.")
            await error_response(error, scope, status=416, headers=[("Content-Range", f"bytes */{self._size}")])(
                scope, receive, send
            )
        elif refused:
            error = bad_request("The header Range cannot be understood.", "Send bytes=0-99, for instance, or leave it out.")
            await error_response(error, scope, status=400)(scope, receive, send)
