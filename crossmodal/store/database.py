"""The SQLite file under the store: many readers, one writer, a cheap test for changes, and errors of ours for SQLite's."""

import shutil
import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from crossmodal.errors import BusyError, CrossmodalError, StoreError, disk_full, from_oserror, read_only

Connection = sqlite3.Connection

Access = Literal["rw", "ro", "immutable"]
"""Modes of opening the file: for writing; for reading beside writers; or for reading on a read-only file system."""

MIN_FREE_BYTES = 64 * 2**20
_MAX_IDLE_READERS = 16
_JOURNAL_LIMIT_BYTES = 64 * 2**20
# An extended code holds its primary code in the low byte; these I/O errors come from writing, the others from reading.
_WRITE_ERRORS = {
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_DIR_FSYNC,
    sqlite3.SQLITE_IOERR_TRUNCATE,
    sqlite3.SQLITE_IOERR_SHMSIZE,
    sqlite3.SQLITE_IOERR_SHMOPEN,
    sqlite3.SQLITE_IOERR_SHMMAP,
}
_DAMAGED = "Nothing was deleted. Move the file away and restore a copy of it, or index your catalogues again into a new one."
_READ_ONLY = (
    "It can be searched and listed. To change it, make its file and folder writable, or copy the folder to where you may write."
)
_OURS = "The file is as it was. Start the program again; if it comes back, report it with the log."


class Database:
    """The file at `path`, which must exist as a database in WAL mode, opened as often as threads need it.

    Readers are pooled, not tied to threads: a web server's threads live for one request. A reader sees one snapshot for the whole
    `reading()` block and never waits for the writer; writers wait for each other, in this process and between processes.

    Args:
        wait_s: longest wait for another writer.
        min_free_bytes: writes are refused when the disk has less than this left.
        access: how the file is opened; `schema.open_file` finds out what is possible.
    """

    def __init__(self, path: Path, *, wait_s: float = 30.0, min_free_bytes: int = MIN_FREE_BYTES, access: Access = "rw") -> None:
        self.path = path
        self.access: Access = access
        self._wait_s = wait_s
        self._min_free_bytes = min_free_bytes
        self._idle: deque[Connection] = deque()
        self._lock = threading.Lock()
        self._watch_lock = threading.Lock()
        self._closed = False
        with translated(path):
            self._writer = connect(path, wait_s=wait_s, access=access)
            # Never writes, so that every commit, our own writer's included, is news to it.
            self._watcher = connect(path, wait_s=wait_s, access=access)
            self._identity = _identity(path)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One snapshot of the database. Fetch everything inside the block."""
        with translated(self.path):
            db = self._take()
            try:
                db.execute("BEGIN")
                yield db
            except CrossmodalError:  # an answer such as "not found": nothing is wrong with the connection
                self._give(db)
                raise
            except BaseException:
                db.close()
                raise
            self._give(db)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction: durable when the block is left, undone when it raises.

        Raises:
            BusyError: `busy`, another writer did not finish in `wait_s`.
            StoreError: `disk_full`, `read_only`, `index_corrupt`, `index_missing` (the file was removed meanwhile).
        """
        if self.access != "rw":
            raise StoreError("read_only", f"The collection {self.path} is read-only.", remedy=_READ_ONLY)
        if not self._lock.acquire(timeout=self._wait_s):
            raise BusyError("busy", f"The collection {self.path} is being written.", remedy="Try again in a moment.")
        try:
            with translated(self.path):
                self._check_disk()
                db = self._writer
                db.execute("BEGIN IMMEDIATE")
                try:
                    yield db
                    db.execute("COMMIT")
                except BaseException:
                    # SQLite has rolled back by itself after a full disk.
                    if db.in_transaction:
                        db.execute("ROLLBACK")
                    raise
        finally:
            self._lock.release()

    def version(self) -> int:
        """A number that differs after any commit of any thread or process. Costs some microseconds."""
        with translated(self.path), self._watch_lock:
            self._check_open()
            return int(self._watcher.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """Close everything; the write-ahead log is folded into the file when this was its last user. Twice is fine."""
        with self._lock, self._watch_lock, translated(self.path):
            self._closed = True
            while self._idle:
                self._idle.pop().close()
            self._watcher.close()
            self._writer.close()

    def _take(self) -> Connection:
        self._check_open()
        try:
            return self._idle.pop()
        except IndexError:
            return connect(self.path, wait_s=self._wait_s, access=self.access)

    def _give(self, db: Connection) -> None:
        """End the snapshot and keep the connection for the next reader."""
        try:
            db.execute("COMMIT")
        except BaseException:
            db.close()
            raise
        if self._closed or len(self._idle) >= _MAX_IDLE_READERS:
            db.close()
        else:
            self._idle.append(db)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("index_missing", f"The collection {self.path} was closed.", remedy="Open it again.")

    def _check_disk(self) -> None:
        self._check_open()
        try:
            if _identity(self.path) != self._identity:
                raise gone(self.path)
        except FileNotFoundError as error:
            raise gone(self.path) from error
        free_bytes = shutil.disk_usage(self.path.parent).free
        if free_bytes < self._min_free_bytes:
            raise disk_full(self.path, f"{free_bytes // 2**20} MB are left, {self._min_free_bytes // 2**20} MB are kept free")


def connect(path: Path, *, wait_s: float, access: Access = "rw") -> Connection:
    """A connection usable by any one thread at a time, with every commit on the disk before it returns."""
    mode = "immutable=1" if access == "immutable" else f"mode={access}"
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?{mode}", uri=True, timeout=wait_s, isolation_level=None, check_same_thread=False
    )
    try:
        db.execute("PRAGMA synchronous = FULL")
        # macOS keeps an ordinary fsync in the disk's own memory.
        db.execute("PRAGMA fullfsync = ON")
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA temp_store = MEMORY")
        db.execute("PRAGMA cache_size = -8000")
        db.execute(f"PRAGMA journal_size_limit = {_JOURNAL_LIMIT_BYTES}")
    except BaseException:
        db.close()
        raise
    return db


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Let every error of SQLite or the file system inside the block leave as one of ours.

    Raises:
        BusyError: `busy`, another process kept the writer lock too long.
        StoreError: `index_corrupt`, `disk_full`, `read_only` or `index_missing`; `internal`, the program asked SQLite wrongly.
    """
    try:
        yield
    except CrossmodalError:
        raise
    except sqlite3.Error as error:
        raise _of_sqlite(error, path) from error
    except OSError as error:
        raise from_oserror(error, path) from error


def damaged(path: Path, what: str, *, remedy: str = _DAMAGED) -> StoreError:
    """The file cannot be trusted. `what` says why, in a few words."""
    return StoreError("index_corrupt", f"The collection {path} is damaged: {what}.", remedy=remedy)


def gone(path: Path) -> StoreError:
    """The file was removed or replaced while it was open: what is written now would be lost."""
    return StoreError(
        "index_missing",
        f"The collection {path} was removed or replaced while it was in use.",
        remedy="Put the file back, then start the program again.",
    )


def _of_sqlite(error: sqlite3.Error, path: Path) -> CrossmodalError:
    # Errors that Python's own module raises carry no code: a closed connection or a wrong type, but also text that is not UTF-8.
    ours = isinstance(error, sqlite3.ProgrammingError | sqlite3.InterfaceError)
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISUSE if ours else sqlite3.SQLITE_CORRUPT)
    why = str(error)
    match code & 0xFF:
        case sqlite3.SQLITE_MISUSE:
            return StoreError("internal", f"The program asked the collection {path} wrongly: {why}", remedy=_OURS)
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return BusyError("busy", f"The collection {path} is being written by another process.", remedy="Try again in a moment.")
        case sqlite3.SQLITE_FULL:
            return disk_full(path, why)
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return read_only(path, why)
        case sqlite3.SQLITE_IOERR if code in _WRITE_ERRORS:
            return disk_full(path, why)
        case _:
            return damaged(path, why)


class Meta:
    """Small values of the collection itself, as text under keys (`store.meta`)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, key: str) -> str | None:
        """The value under a key, None when there is none."""
        with self._database.reading() as db:
            return get_meta(db, key)

    def set(self, key: str, value: str) -> None:
        """Store a value in place of the earlier one."""
        with self._database.writing() as db:
            set_meta(db, key, value)


def get_meta(db: Connection, key: str) -> str | None:
    """See `Meta.get`."""
    row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def set_meta(db: Connection, key: str, value: str) -> None:
    """See `Meta.set`."""
    db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))
