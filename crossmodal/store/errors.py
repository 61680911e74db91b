"""SQLite's and the file system's errors as ours: what happened to which file, and what to do."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crossmodal.errors import BusyError, CrossmodalError, StoreError, disk_full, from_oserror, read_only

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
_OURS = "The file is as it was. Start the program again; if it comes back, report it with the log."


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
