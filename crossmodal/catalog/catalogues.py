"""The catalogues the collection was filled from, and what happens when one shrinks or goes."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from crossmodal.catalog import removal
from crossmodal.catalog.connections import Connection
from crossmodal.catalog.items import storable
from crossmodal.catalog.records import CatalogueInfo


def put(db: Connection, name: str, *, kind: str, location: str, completed_at: float | None) -> None:
    """Write down where a catalogue lies and whether its reading came to the end; an earlier end is kept."""
    db.execute(
        "INSERT INTO catalogues (name, kind, location, added_at, completed_at) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, location = excluded.location,"
        " completed_at = COALESCE(excluded.completed_at, completed_at)",
        (storable(name), kind, storable(location), time.time(), completed_at),
    )


def listed(db: Connection) -> list[CatalogueInfo]:
    """Every catalogue with its counts, in the order they were added."""
    rows = db.execute(
        "SELECT name, kind, location, added_at, completed_at,"
        " (SELECT COUNT(*) FROM items WHERE items.catalogue = name AND removed_at IS NULL),"
        " (SELECT COUNT(*) FROM failures WHERE failures.catalogue = name) FROM catalogues ORDER BY added_at, name"
    ).fetchall()
    return [CatalogueInfo(*row) for row in rows]


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
    return removal.remove(db, [item_id for (item_id,) in rows])


def remove_missing(db: Connection, name: str, keys_present: Iterable[str]) -> list[int]:
    """Remove a catalogue's items, and forget its failures, whose key is not among `keys_present`; returns the items' ids."""
    name = storable(name)
    with present(db, keys_present):
        rows = db.execute(
            "SELECT item_id FROM items WHERE catalogue = ? AND removed_at IS NULL AND key NOT IN (SELECT key FROM temp.present)",
            (name,),
        ).fetchall()
        db.execute("DELETE FROM failures WHERE catalogue = ? AND key NOT IN (SELECT key FROM temp.present)", (name,))
    return removal.remove(db, [item_id for (item_id,) in rows])


@contextmanager
def present(db: Connection, keys: Iterable[str]) -> Iterator[None]:
    """Keys as a table, `temp.present`, for as long as it is asked: there may be millions."""
    db.execute("CREATE TEMP TABLE IF NOT EXISTS present (key TEXT PRIMARY KEY) WITHOUT ROWID")
    db.execute("DELETE FROM temp.present")
    db.executemany("INSERT OR IGNORE INTO temp.present VALUES (?)", ((storable(key),) for key in keys))
    yield
    db.execute("DELETE FROM temp.present")
