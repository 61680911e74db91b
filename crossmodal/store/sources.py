"""The catalogues the collection was filled from, and what happens when one shrinks or goes."""

import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager

from crossmodal.store import removal
from crossmodal.store.connections import Connection
from crossmodal.store.items import storable
from crossmodal.store.records import SourceInfo

_MISSING = "catalogue = ? AND removed_at IS NULL AND key NOT IN (SELECT key FROM temp.present)"
GONE = f"{_MISSING} AND NOT EXISTS (SELECT 1 FROM temp.unread WHERE substr(items.key, 1, length(beginning)) = beginning)"
"""Which items of a catalogue have lost their row; to be asked within `present`."""


def put(db: Connection, name: str, *, kind: str, location: str, began_at: float | None, completed_at: float | None) -> None:
    """Write down where a catalogue lies and whether its reading came to the end; an earlier end is kept."""
    db.execute(
        "INSERT INTO catalogues (name, kind, location, added_at, began_at, completed_at) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, location = excluded.location,"
        " began_at = CASE WHEN excluded.completed_at IS NULL THEN began_at ELSE excluded.began_at END,"
        " completed_at = COALESCE(excluded.completed_at, completed_at)",
        (storable(name), kind, storable(location), time.time(), began_at, completed_at),
    )


def listed(db: Connection) -> list[SourceInfo]:
    """Every catalogue with its counts, in the order they were added."""
    rows = db.execute(
        "SELECT name, kind, location, added_at, completed_at,"
        " (SELECT COUNT(*) FROM items WHERE items.catalogue = name AND removed_at IS NULL),"
        " (SELECT COUNT(*) FROM failures WHERE failures.catalogue = name), began_at FROM catalogues ORDER BY added_at, name"
    ).fetchall()
    return [SourceInfo(*row) for row in rows]


def counts(db: Connection) -> dict[str, int]:
    """Items of each catalogue that has any, by name."""
    return dict(
        db.execute(
            "SELECT catalogue, COUNT(*) FROM items WHERE removed_at IS NULL GROUP BY catalogue ORDER BY catalogue"
        ).fetchall()
    )


def remove(db: Connection, name: str) -> list[int]:
    """Remove a catalogue's items, its failures and its entry; returns the items' ids."""
    name = storable(name)
    rows = db.execute("SELECT item_id FROM items WHERE catalogue = ? AND removed_at IS NULL", (name,)).fetchall()
    db.execute("DELETE FROM failures WHERE catalogue = ?", (name,))
    db.execute("DELETE FROM catalogues WHERE name = ?", (name,))
    db.execute("DELETE FROM refused WHERE catalogue = ?", (name,))
    # The rows went with their catalogue: what a person had removed of it comes back with it, too.
    db.execute("UPDATE items SET vanished = 1 WHERE catalogue = ? AND removed_at IS NOT NULL", (name,))
    return removal.remove(db, [item_id for (item_id,) in rows], vanished=True)


def remove_missing(
    db: Connection, name: str, keys_present: Iterable[str], *, unread: Collection[str] = ()
) -> tuple[list[int], int]:
    """Remove a catalogue's items, and forget its failures, whose key is not among `keys_present`.

    Args:
        unread: beginnings of keys that may be present all the same.

    Returns:
        The ids of the removed items, and how many stay because their key begins like that.
    """
    name = storable(name)
    with present(db, keys_present, unread):
        gone = [item_id for (item_id,) in db.execute(f"SELECT item_id FROM items WHERE {GONE}", (name,))]
        (missing,) = db.execute(f"SELECT COUNT(*) FROM items WHERE {_MISSING}", (name,)).fetchone()
        db.execute("DELETE FROM failures WHERE catalogue = ? AND key NOT IN (SELECT key FROM temp.present)", (name,))
    return removal.remove(db, gone, vanished=True), missing - len(gone)


@contextmanager
def present(db: Connection, keys: Iterable[str], unread: Iterable[str] = ()) -> Iterator[None]:
    """Keys, and beginnings of keys, as the tables `temp.present` and `temp.unread` for as long as it is asked: there may be millions."""
    db.execute("CREATE TEMP TABLE IF NOT EXISTS present (key TEXT PRIMARY KEY) WITHOUT ROWID")
    db.execute("CREATE TEMP TABLE IF NOT EXISTS unread (beginning TEXT PRIMARY KEY) WITHOUT ROWID")
    for table, texts in (("present", keys), ("unread", unread)):
        db.execute(f"DELETE FROM temp.{table}")
        db.executemany(f"INSERT OR IGNORE INTO temp.{table} VALUES (?)", ((storable(text),) for text in texts))
    yield
    for table in ("present", "unread"):
        db.execute(f"DELETE FROM temp.{table}")
