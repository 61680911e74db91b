"""Connections to one SQLite file: many readers, one writer, and a cheap question whether anything changed."""

import shutil
import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crossmodal.errors import BusyError, CrossmodalError, StoreError, disk_full
from crossmodal.store.errors import gone, translated

Connection = sqlite3.Connection

MIN_FREE_BYTES = 64 * 2**20
_MAX_IDLE_READERS = 16
_JOURNAL_LIMIT_BYTES = 64 * 2**20


class Connections:
    """The file at `path`, which must exist as a database in WAL mode, opened as often as threads need it.

    Readers are pooled, not tied to threads: a web server's threads live for one request. A reader sees one snapshot for the whole
    `reading()` block and never waits for the writer; writers wait for each other, in this process and between processes.

    Args:
        wait_s: longest wait for another writer.
        min_free_bytes: writes are refused when the disk has less than this left.
    """

    def __init__(self, path: Path, *, wait_s: float = 30.0, min_free_bytes: int = MIN_FREE_BYTES) -> None:
        self.path = path
        self._wait_s = wait_s
        self._min_free_bytes = min_free_bytes
        self._idle: deque[Connection] = deque()
        self._lock = threading.Lock()
        self._watch_lock = threading.Lock()
        self._closed = False
        with translated(path):
            self._writer = connect(path, wait_s=wait_s)
            # Never writes, so that every commit, our own writer's included, is news to it.
            self._watcher = connect(path, wait_s=wait_s)
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
            return connect(self.path, wait_s=self._wait_s)

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


def connect(path: Path, *, wait_s: float) -> Connection:
    """A connection usable by any one thread at a time, with every commit on the disk before it returns."""
    db = sqlite3.connect(
        path.absolute().as_uri() + "?mode=rw", uri=True, timeout=wait_s, isolation_level=None, check_same_thread=False
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
