"""The tables of the catalog, and how a file of an earlier format becomes one of today's."""

import os
import sqlite3
import time
import uuid
from contextlib import closing
from pathlib import Path

from crossmodal.catalog.connections import Connection
from crossmodal.catalog.faults import damaged, translated
from crossmodal.errors import StoreError

APPLICATION_ID = 0x58_4D_43_41  # "XMCA", in the file's header: tells our files from another program's

VERSION_1 = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE catalogues (
    name TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    location TEXT NOT NULL,
    added_at REAL NOT NULL,
    completed_at REAL
) STRICT, WITHOUT ROWID;

-- The thumbnail lies before the rendition, so that reading it does not walk through the rendition's pages.
CREATE TABLE pictures (
    content_hash TEXT PRIMARY KEY,
    thumbnail_checksum BLOB,
    rendition_checksum BLOB NOT NULL,
    thumbnail BLOB,
    rendition BLOB NOT NULL
) STRICT;

-- AUTOINCREMENT: an id is never used twice, so a reader that missed a removal can never show another item in its place.
CREATE TABLE items (
    item_id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    catalogue TEXT NOT NULL,
    title TEXT NOT NULL,
    source TEXT NOT NULL,
    captions TEXT NOT NULL,
    attributes TEXT NOT NULL,
    held_out INTEGER NOT NULL,
    content_hash TEXT NOT NULL REFERENCES pictures (content_hash),
    width_px INTEGER NOT NULL,
    height_px INTEGER NOT NULL,
    added_at REAL NOT NULL,
    removed_at REAL
) STRICT;
CREATE INDEX items_by_content ON items (content_hash);
CREATE INDEX items_by_catalogue ON items (catalogue) WHERE removed_at IS NULL;
CREATE INDEX items_removed ON items (removed_at) WHERE removed_at IS NOT NULL;

CREATE TABLE models (
    model_no INTEGER PRIMARY KEY AUTOINCREMENT,
    model_id TEXT NOT NULL UNIQUE,
    embed_dim INTEGER NOT NULL,
    added_at REAL NOT NULL
) STRICT;

-- `seq` is the feed: whatever is new or replaced has a higher one.
CREATE TABLE embeddings (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    item_id INTEGER NOT NULL REFERENCES items (item_id) ON DELETE CASCADE,
    model_no INTEGER NOT NULL REFERENCES models (model_no) ON DELETE CASCADE,
    checksum BLOB NOT NULL,
    embedding BLOB NOT NULL,
    UNIQUE (item_id, model_no)
) STRICT;
CREATE INDEX embeddings_by_model ON embeddings (model_no);

CREATE TABLE removals (seq INTEGER PRIMARY KEY AUTOINCREMENT, item_id INTEGER NOT NULL UNIQUE) STRICT;

CREATE TABLE failures (
    key TEXT PRIMARY KEY,
    catalogue TEXT NOT NULL,
    location TEXT NOT NULL,
    title TEXT NOT NULL,
    code TEXT NOT NULL,
    reason TEXT NOT NULL,
    remedy TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    failed_at REAL NOT NULL
) STRICT;
CREATE INDEX failures_by_catalogue ON failures (catalogue);
"""

# What the items of version 1 say: their captions, or their title where they have none; each text once.
_SAID = """
WITH heard AS (
    SELECT items.item_id, CAST(MIN(caption.key) AS INTEGER) AS ordinal, caption.value AS text
    FROM items, json_each(
        CASE WHEN NOT json_valid(items.captions) THEN '[]' WHEN json_type(items.captions) = 'array' THEN items.captions ELSE '[]' END
    ) AS caption
    WHERE caption.type = 'text' AND trim(caption.value) <> '' GROUP BY items.item_id, caption.value
), said AS (
    SELECT item_id, ordinal, text FROM heard
    UNION ALL SELECT item_id, 0, title FROM items WHERE trim(title) <> '' AND item_id NOT IN (SELECT item_id FROM heard)
)
"""

VERSION_2 = f"""
-- Whether a person changed title or attributes by hand: then no reading of a catalogue changes them back.
ALTER TABLE items ADD COLUMN edited INTEGER NOT NULL DEFAULT 0;

-- Each different text once, however many items say it.
CREATE TABLE texts (text_id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL UNIQUE) STRICT;

CREATE TABLE item_texts (
    item_id INTEGER NOT NULL REFERENCES items (item_id) ON DELETE CASCADE,
    ordinal INTEGER NOT NULL,
    text_id INTEGER NOT NULL REFERENCES texts (text_id),
    PRIMARY KEY (item_id, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX item_texts_by_text ON item_texts (text_id);

-- A second feed, as `embeddings` and `removals` are the first.
CREATE TABLE text_embeddings (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    text_id INTEGER NOT NULL REFERENCES texts (text_id) ON DELETE CASCADE,
    model_no INTEGER NOT NULL REFERENCES models (model_no) ON DELETE CASCADE,
    checksum BLOB NOT NULL,
    embedding BLOB NOT NULL,
    UNIQUE (text_id, model_no)
) STRICT;
CREATE INDEX text_embeddings_by_model ON text_embeddings (model_no);
CREATE TABLE text_removals (seq INTEGER PRIMARY KEY AUTOINCREMENT, text_id INTEGER NOT NULL UNIQUE) STRICT;

INSERT INTO texts (text) {_SAID.strip()} SELECT DISTINCT text FROM said;
INSERT INTO item_texts (item_id, ordinal, text_id) {_SAID.strip()} SELECT item_id, ordinal, text_id FROM said JOIN texts USING (text);
INSERT INTO text_removals (text_id) SELECT text_id FROM texts WHERE NOT EXISTS (
    SELECT 1 FROM item_texts JOIN items USING (item_id) WHERE item_texts.text_id = texts.text_id AND removed_at IS NULL
);
"""

VERSION_3 = """
-- Whether an item was removed because its row vanished: such an item comes back with the row; one that a person removed stays away.
ALTER TABLE items ADD COLUMN vanished INTEGER NOT NULL DEFAULT 0;
UPDATE items SET vanished = 1 WHERE removed_at IS NOT NULL AND item_id IN (
    SELECT gone.value FROM meta, json_each(CASE WHEN json_valid(meta.value) THEN meta.value ELSE '[]' END) AS gone
    WHERE meta.key LIKE 'vanished from %'
);
DELETE FROM meta WHERE key LIKE 'vanished from %';

-- Rows whose item a person removed, when the item itself is forgotten.
CREATE TABLE refused (key TEXT PRIMARY KEY, catalogue TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- When the reading began that last came to its end: a file that changed after that has not been read whole.
ALTER TABLE catalogues ADD COLUMN began_at REAL;
"""

MIGRATIONS: tuple[str, ...] = (VERSION_1, VERSION_2, VERSION_3)
"""Statement i leads from version i to i + 1. A released one is never changed, only followed by another."""

# Not looked over at every start once the file is large: their rows carry checksums, which are checked whenever they are read.
_CHECKSUMMED_TABLES = ("pictures", "embeddings", "text_embeddings")
_CHEAP_CHECK_BYTES = 64 * 2**20
_RETRY_S = 0.01


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
    """The format of a file that `prepare` would change; None for one of today's. Nothing is written, neither to the file nor beside it.

    Raises:
        StoreError: `index_corrupt`, `store_too_new`, `read_only`.
    """
    # Without a log nobody has the file open, and it is complete in itself; asked for as read-only alone, SQLite would leave a log there.
    mode = "mode=ro" if path.with_name(path.name + "-wal").exists() else "immutable=1"
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
