"""The jobs of a collection in `jobs.sqlite3`, so that every process lists them, stops them, and starts none beside another's.

It is a file of its own: a commit to the collection makes every index look for changes, and a running job commits twice a second. The
process that runs a job holds a lock, which the system frees when that process ends, whatever it dies of: a job that is recorded as running
while nobody holds the lock has ended with its process.
"""

import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import NoneType
from typing import Any, Literal

from crossmodal import errors
from crossmodal.errors import HTTP_STATUS, BusyError, CrossmodalError, StoreError
from crossmodal.locks import is_locked, try_lock
from crossmodal.progress import Progress

log = logging.getLogger(__name__)

UNDER_WAY = ("running", "paused")
"""States of a job that has not ended."""

Request = Literal["stop", "pause", "resume"]
"""What the process that runs a job can be asked for."""

HISTORY_SIZE = 20
"""Jobs that are remembered; older ones are deleted."""

_ENDED_WITH_ITS_PROCESS = "It ended together with the program that ran it. What was done so far is kept; start it again to go on."
_SCHEMA = """
CREATE TABLE IF NOT EXISTS job (
    number INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order in which they began, whatever the clock says
    job_id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'paused', 'done', 'failed', 'stopped')),
    message TEXT NOT NULL,
    started_at REAL NOT NULL,
    ended_at REAL,
    progress TEXT NOT NULL,  -- JSON, like the next two
    log TEXT NOT NULL,
    error TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS request (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('stop', 'pause', 'resume'))
) STRICT;
"""
_NUMBER = (int, float)
_PROGRESS_TYPES: dict[str, type | tuple[type, ...]] = {
    "step": str,
    "message": str,
    "done": int,
    "total": int,
    "failed": int,
    "finished": bool,
    "rate_per_s": _NUMBER,
    "seconds_left": (*_NUMBER, NoneType),
    "figures": dict,
}


@dataclass(frozen=True, slots=True)
class JobStatus:
    """A job as it stands.

    Attributes:
        state: `running`, `paused`, `done`, `failed` or `stopped`.
        started_at, ended_at: Unix time.
        log: finished steps and epochs, oldest first.
        job_id: unique among all jobs.
    """

    name: str
    state: str
    progress: Progress
    message: str
    started_at: float
    ended_at: float | None = None
    log: tuple[Progress, ...] = ()
    error: CrossmodalError | None = None
    job_id: str = ""


class JobStore:
    """The jobs of one collection. May be used from many threads and processes.

    Nothing here has to survive a power cut. A damaged file is an empty list, and is replaced when the next job starts; a row that is no
    job is skipped.

    Args:
        path: of `jobs.sqlite3`; made when the first job starts. The lock is beside it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = path.with_suffix(".lock")

    def acquire(self) -> ExitStack | None:
        """Acquire the one job slot, released when the returned stack is closed; None while another process has it.

        Raises:
            StoreError: `read_only`, `disk_full`.
        """
        with ExitStack() as slot:
            if not slot.enter_context(try_lock(self._lock)):
                return None
            self._prepare()
            return slot.pop_all()

    def write(self, status: JobStatus) -> None:
        """Record how a job stands. A full disk costs the other processes this news and nothing else."""
        row = _row(status)
        columns, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
        changes = ", ".join(f"{name} = excluded.{name}" for name in row)
        upsert = f"INSERT INTO job ({columns}) VALUES ({marks}) ON CONFLICT (job_id) DO UPDATE SET {changes}"
        older = "DELETE FROM job WHERE number < (SELECT number FROM job ORDER BY number DESC LIMIT 1 OFFSET ?)"
        try:
            with self._open() as connection:
                connection.execute(upsert, row)
                connection.execute(older, (HISTORY_SIZE - 1,))
        except CrossmodalError as error:
            log.warning("how a job stands could not be recorded: %s", error)

    def delete(self, job_id: str) -> None:
        """Delete a job that never began. Raises StoreError, BusyError."""
        with self._open() as connection:
            connection.execute("DELETE FROM job WHERE job_id = ?", (job_id,))

    def jobs(self) -> list[JobStatus]:
        """The last jobs, the one that began last first."""
        try:
            found = self._recorded()
        except CrossmodalError as error:
            log.debug("there is no list of jobs: %s", error)
            return []
        if any(status.state in UNDER_WAY for status in found) and not self._is_held():
            found = [_ended_with_its_process(status) if status.state in UNDER_WAY else status for status in found]
        return found

    def request(self, job_id: str, request: Request) -> None:
        """Ask the process that runs a job for something; it looks twice a second. Raises StoreError, BusyError: it cannot be recorded."""
        with self._open() as connection:
            connection.execute("INSERT INTO request (job_id, action) VALUES (?, ?)", (job_id, request))

    def next_request(self, job_id: str) -> Request | None:
        """The oldest unprocessed request, which is processed now; None when there is none. For the process that runs the job."""
        oldest = "SELECT min(number) FROM request WHERE job_id = ?"
        try:
            with self._open() as connection:
                # One that cannot be deleted is not processed: it would be processed for ever.
                row = connection.execute(f"DELETE FROM request WHERE number = ({oldest}) RETURNING action", (job_id,)).fetchone()
        except CrossmodalError as error:
            log.debug("requests cannot be read: %s", error)
            return None
        return row["action"] if row is not None else None

    def _recorded(self) -> list[JobStatus]:
        with self._open() as connection:
            rows = connection.execute("SELECT * FROM job ORDER BY number DESC").fetchall()
        return [status for row in rows if (status := _status(dict(row))) is not None]

    def _is_held(self) -> bool:
        try:
            return is_locked(self._lock)
        except StoreError as error:
            log.debug("whether a job runs cannot be found out: %s", error)
            return True  # as it is recorded

    def _prepare(self) -> None:
        """Make the tables, and end what is under way and whose process has ended: this one holds the lock."""
        try:
            self._create()
        except StoreError as error:
            if error.code != "index_corrupt":
                raise
            log.warning("%s The list of jobs begins anew.", error)
            for path in (self._path, self._path.with_name(f"{self._path.name}-journal")):
                path.unlink(missing_ok=True)
            self._create()

    def _create(self) -> None:
        with self._open(mode="rwc") as connection:
            connection.executescript(_SCHEMA)
            connection.execute("DELETE FROM request")
        for status in self._recorded():
            if status.state in UNDER_WAY:
                self.write(_ended_with_its_process(status))

    @contextmanager
    def _open(self, *, mode: str = "rw") -> Iterator[sqlite3.Connection]:
        try:
            uri = f"{self._path.absolute().as_uri()}?mode={mode}"
            with closing(sqlite3.connect(uri, uri=True, timeout=5, isolation_level=None)) as connection:
                connection.row_factory = sqlite3.Row
                connection.execute("PRAGMA synchronous = OFF")
                yield connection
        except sqlite3.Error as error:
            raise _of_sqlite(error, self._path) from error


def _of_sqlite(error: sqlite3.Error, path: Path) -> CrossmodalError:
    match getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return BusyError("busy", f"{path} is being written by another process.", remedy="Try again in a moment.")
        case sqlite3.SQLITE_FULL | sqlite3.SQLITE_IOERR:
            return errors.disk_full(path, str(error))
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return errors.read_only(path, str(error))
        case _:
            return StoreError("index_corrupt", f"The list of jobs {path} is damaged: {error}.", remedy="Start a job to replace it.")


def _row(status: JobStatus) -> dict[str, Any]:
    error = status.error
    plain = ("job_id", "name", "state", "message", "started_at", "ended_at")
    return {name: getattr(status, name) for name in plain} | {
        "progress": json.dumps(_document(status.progress)),
        "log": json.dumps([_document(each) for each in status.log]),
        "error": json.dumps(None if error is None else {"code": error.code, "message": error.message, "remedy": error.remedy}),
    }


def _document(progress: Progress) -> dict[str, Any]:
    return asdict(replace(progress, figures=dict(progress.figures)))


def _status(row: dict[str, Any]) -> JobStatus | None:
    """None for what is no job. The columns' types are SQLite's business; what is JSON is checked here."""
    del row["number"]
    try:
        progress, events, error = (json.loads(row.pop(name)) for name in ("progress", "log", "error"))
        if error is not None and (error["code"] not in HTTP_STATUS or not all(isinstance(text, str) for text in error.values())):
            raise ValueError("no error of ours")
        return JobStatus(
            progress=_progress(progress),
            log=tuple(_progress(each) for each in events),
            error=None if error is None else CrossmodalError(error["code"], error["message"], remedy=error["remedy"]),
            **row,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as why:
        log.debug("a row is no job: %s", why)
        return None


def _progress(document: dict[str, Any]) -> Progress:
    """Raises TypeError, KeyError: it is none."""
    progress = Progress(**document)
    for name, types in _PROGRESS_TYPES.items():
        if not isinstance(document[name], types):
            raise TypeError(f"{name} is {type(document[name]).__name__}")
    if not all(isinstance(value, _NUMBER) for value in progress.figures.values()):
        raise TypeError("a figure is no number")
    return progress


def _ended_with_its_process(status: JobStatus) -> JobStatus:
    progress = replace(status.progress, seconds_left=None)
    return replace(status, state="failed", message=_ENDED_WITH_ITS_PROCESS, ended_at=status.started_at, progress=progress)
