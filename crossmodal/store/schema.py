"""How a file becomes, and stays, one of today's format: an empty one, one of an earlier format, one that may be damaged."""

import os
import sqlite3
import time
import uuid
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from crossmodal.errors import StoreError, StoreMissing
from crossmodal.store.database import Access, Connection, connect, damaged, translated
from crossmodal.store.migrations import MIGRATIONS

APPLICATION_ID = 0x58_4D_43_41  # "XMCA", in the file's header: tells our files from another program's

# Not looked over at every start once the file is large: their rows carry checksums, which are checked whenever they are read.
_CHECKSUMMED_TABLES = ("pictures", "embeddings", "text_embeddings")
_CHEAP_CHECK_BYTES = 64 * 2**20
_RETRY_S = 0.01
_EMPTY = "Restore a copy of it, or delete the empty file to begin a new collection."


def open_file(path: Path, *, wait_s: float, create: bool = True) -> Access:
    """Check the file, or make it if it is missing and `create` is set: connections then find a sound database of today's format.

    Returns:
        How the file can be opened: a file or a folder that must not be written is still read.

    Raises:
        StoreError: `index_corrupt`, `store_too_new`, `read_only` (it cannot even be read without being written), `disk_full`.
        StoreMissing: there is no file, and `create` is not set.
    """
    try:
        _open_to_write(path, wait_s=wait_s, create=create)
        # A file that can only be read opens all the same. Opening it here to find out would end the locks SQLite has on it.
        return "rw" if os.access(path, os.W_OK) else "ro"
    except StoreError as error:
        if error.code != "read_only" or _size(path) is None:
            raise
        with translated(path):
            access = _open_to_read(path, wait_s=wait_s)
        if access is None:
            raise
        return access


def _open_to_write(path: Path, *, wait_s: float, create: bool) -> None:
    with translated(path):
        if _size(_log_of(path)) and not _size(path):
            # SQLite would throw the log away, and with it the last items.
            raise damaged(path, f"it is empty or missing, but its log {_log_of(path).name} is there")
        size = _size(path)
        if size is None and not create:
            raise StoreMissing("index_missing", f"There is no collection at {path} yet.", remedy="Index some pictures first.")
        if size is None:
            _make(path, wait_s)
        # A collection is never empty, for it comes into being whole: whatever emptied this file should be known.
        if size == 0:
            raise damaged(path, "it is empty", remedy=_EMPTY)
        with closing(connect(path, wait_s=wait_s)) as db:
            check(db, path)
            prepare(db, path, wait_s=wait_s)


def _open_to_read(path: Path, *, wait_s: float) -> Access | None:
    """How the file can be read without writing anything; None when it cannot."""
    # Without a log the file is complete in itself, and nobody has it open. With one, SQLite needs the log's index beside it.
    ways: tuple[Access, ...] = ("ro",) if _size(_log_of(path)) else ("ro", "immutable")
    for access in ways:
        try:
            with closing(connect(path, wait_s=wait_s, access=access)) as db:
                version = _version(db, path, latest=len(MIGRATIONS))
                if version == len(MIGRATIONS):
                    check(db, path)
        except (sqlite3.OperationalError, OSError):  # not in this way; the caller has the first error
            continue
        if version < len(MIGRATIONS):
            raise StoreError(
                "read_only",
                f"The collection {path} has the older format {version}, and cannot be brought up to date where it is.",
                remedy="Copy its folder to where you may write, or make it writable, and open it again.",
            )
        return access
    return None


def _log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _size(path: Path) -> int | None:
    """Size in bytes, None when the file is not there: another process may remove a log at any moment."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def prepare(db: Connection, path: Path, *, wait_s: float = 30.0, migrations: tuple[str, ...] = MIGRATIONS) -> None:
    """Create the tables in an empty file, or bring an older file up to date; a copy of the older file is kept beside it.

    Args:
        wait_s: longest wait for another process that does the same.

    Raises:
        StoreError: `index_corrupt` (another program's file), `store_too_new` (a later version of this program wrote it).
    """
    # One snapshot: between two questions another process might make the tables.
    db.execute("BEGIN")
    version = _version(db, path, latest=len(migrations))
    db.execute("COMMIT")
    _use_log(db, wait_s)
    if version == len(migrations):
        return
    if version:
        _back_up(db, path, version)
    db.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have done the same while this one waited for the lock.
        done = _version(db, path, latest=len(migrations))
        for number, script in enumerate(migrations[done:], done + 1):
            for statement in _statements(script):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {number}")
        if done == 0:
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute("INSERT INTO meta VALUES ('store_uuid', ?), ('created_at', ?)", (str(uuid.uuid4()), str(time.time())))
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def older_format(path: Path) -> int | None:
    """The format of a file that `prepare` would change; None for one of today's, an empty or a missing one. Nothing is written, neither
    to the file nor beside it.

    Raises:
        StoreError: `index_corrupt`, `store_too_new`, `read_only`.
    """
    if not _size(path):
        return None
    # Without a log nobody has the file open, and it is complete in itself; asked for as read-only alone, SQLite would leave a log there.
    mode = "immutable=1" if _size(_log_of(path)) is None else "mode=ro"
    with translated(path), closing(sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True)) as db:
        version = _version(db, path, latest=len(MIGRATIONS))
    return version if version < len(MIGRATIONS) else None


def check(db: Connection, path: Path) -> None:
    """Look for structural damage: everywhere while the file is small, in all but the checksummed tables when it is large.

    Raises:
        StoreError: `index_corrupt`, with the first finding.
    """
    statements = ["PRAGMA quick_check(1)"]
    if path.stat().st_size > _CHEAP_CHECK_BYTES:
        tables = db.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite^_%' ESCAPE '^'"
        ).fetchall()
        quoted = ['"' + name.replace('"', '""') + '"' for (name,) in tables if name not in _CHECKSUMMED_TABLES]
        statements = [f"PRAGMA quick_check({name})" for name in quoted]
    for statement in statements:
        finding = db.execute(statement).fetchone()[0]
        if finding != "ok":
            raise damaged(path, " ".join(finding.split()))


class Origins(NamedTuple):
    """Where the items of a collection came from.

    Attributes:
        sources: name and location of each catalogue, in the order they were added.
        by_hand: how many items came from no catalogue.
    """

    sources: list[tuple[str, str]]
    by_hand: int


def origins(path: Path) -> Origins | None:
    """As far as it can be read; None when it cannot."""
    sql = "SELECT COUNT(*) FROM items WHERE removed_at IS NULL AND catalogue NOT IN (SELECT name FROM catalogues)"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)) as db:
            rows = db.execute("SELECT name, location FROM catalogues ORDER BY added_at, name").fetchall()
            by_hand = db.execute(sql).fetchone()[0]
    except (sqlite3.Error, ValueError):  # text that is not UTF-8 any more is a ValueError
        return None
    return Origins([(str(name), str(location)) for name, location in rows], int(by_hand))


def _make(path: Path, wait_s: float) -> None:
    """Create a new collection atomically, also if other processes do the same at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{uuid.uuid4().hex}.new")
    try:
        draft.touch()
        with closing(connect(draft, wait_s=wait_s)) as db:
            prepare(db, draft, wait_s=wait_s)
        _give_name(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _give_name(draft: Path, path: Path) -> None:
    try:
        os.link(draft, path)
    except FileExistsError:
        # Another process was faster; its collection is the one.
        return
    except OSError:
        # FAT has no hard links. The name is taken first, so that the collection of a faster process is never replaced.
        try:
            path.open("xb").close()
        except FileExistsError:
            return
        draft.replace(path)


def _version(db: Connection, path: Path, *, latest: int) -> int:
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    application_id = db.execute("PRAGMA application_id").fetchone()[0]
    if application_id != APPLICATION_ID:
        if version or application_id or db.execute("SELECT 1 FROM sqlite_schema").fetchone():
            raise damaged(path, "it is another program's database", remedy="Name another file; this one was not touched.")
        return 0
    if version > latest:
        raise StoreError(
            "store_too_new",
            f"The collection {path} has format {version}; this program reads formats up to {latest}.",
            remedy="Start the newer version of the program that wrote it.",
        )
    return version


def _use_log(db: Connection, wait_s: float) -> None:
    """Switch to the write-ahead log, also in a copy that came without it.

    SQLite does not wait by itself while another process does the same.
    """
    deadline = time.monotonic() + wait_s
    while db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_S)


def _back_up(db: Connection, path: Path, version: int) -> None:
    copy = path.with_name(f"{path.name}.format{version}")
    if copy.exists():
        return
    # Under its own name only once it is whole: half a copy would be taken for the copy by the next start.
    draft = path.with_name(f"{copy.name}.{uuid.uuid4().hex}.part")
    try:
        db.execute("VACUUM INTO ?", (str(draft),))
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
        draft.replace(copy)
    finally:
        draft.unlink(missing_ok=True)


def _statements(script: str) -> list[str]:
    """The statements of a script one by one: `executescript` would commit before it starts."""
    statements, pending = [], ""
    for line in script.splitlines():
        pending += line + "\n"
        if sqlite3.complete_statement(pending):
            statements.append(pending)
            pending = ""
    return statements
