"""What the items come from (`store.sources`): CSV files, folders, archives; and what happens when one shrinks or goes."""

import json
import time
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from crossmodal.store import item_sources, removal
from crossmodal.store.database import Connection, Database
from crossmodal.store.rows import id_list, many_items, storable

# Statements about rows of live items that are gone from their source; to be run within `_present`.
_MISSING = (
    "item_sources JOIN items USING (item_id)"
    " WHERE item_sources.catalogue = ? AND removed_at IS NULL AND item_sources.key NOT IN (SELECT key FROM temp.present)"
)
_GONE = f"{_MISSING} AND NOT EXISTS (SELECT 1 FROM temp.unread WHERE substr(item_sources.key, 1, length(beginning)) = beginning)"
# Rows of items that were added since the source was last read to its end. Takes the source's name twice.
_NEW = (
    "item_sources JOIN items USING (item_id) WHERE item_sources.catalogue = ? AND removed_at IS NULL AND edited = 0"
    " AND items.added_at > (SELECT completed_at FROM catalogues WHERE name = ?)"
)


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """A source the collection was filled from.

    Attributes:
        kind: `csv`, `folder`, `demo`, ... as the reader names it.
        location: where it is, as shown to a person.
        completed_at: when a reading last came to its end (Unix seconds), None while none did.
        began_at: when that reading began, None also where an earlier version of this program read it.
        items, failures: items that have a row of the source, rows that failed.
    """

    name: str
    kind: str
    location: str
    added_at: float
    completed_at: float | None
    items: int
    failures: int
    began_at: float | None = None


class Sources:
    """Sources by name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, name: str, *, kind: str, location: str, began_at: float | None = None, completed_at: float | None = None) -> None:
        """Store where a source is and, once it was read to its end, when that reading began and ended (Unix seconds)."""
        with self._database.writing() as db:
            db.execute(
                "INSERT INTO catalogues (name, kind, location, added_at, began_at, completed_at) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, location = excluded.location,"
                " began_at = CASE WHEN excluded.completed_at IS NULL THEN began_at ELSE excluded.began_at END,"
                " completed_at = COALESCE(excluded.completed_at, completed_at)",
                (storable(name), kind, storable(location), time.time(), began_at, completed_at),
            )

    def all(self) -> list[SourceInfo]:
        """Every source with its counts, in the order they were added."""
        with self._database.reading() as db:
            rows = db.execute(
                "SELECT name, kind, location, added_at, completed_at,"
                " (SELECT COUNT(DISTINCT item_id) FROM item_sources AS row JOIN items USING (item_id)"
                "  WHERE row.catalogue = name AND removed_at IS NULL),"
                " (SELECT COUNT(*) FROM failures WHERE failures.catalogue = name), began_at FROM catalogues ORDER BY added_at, name"
            ).fetchall()
        return [SourceInfo(*row) for row in rows]

    def counts(self) -> dict[str, int]:
        """How many items each source has, by name; those without any are left out. An item counts for each of its sources."""
        with self._database.reading() as db:
            return dict(
                db.execute(
                    "SELECT row.catalogue, COUNT(DISTINCT item_id) FROM item_sources AS row JOIN items USING (item_id)"
                    " WHERE removed_at IS NULL GROUP BY row.catalogue ORDER BY row.catalogue"
                ).fetchall()
            )

    def count_joined(self, name: str, *, since: float) -> int:
        """How many of a source's rows became rows of an item that was there before, since a time (Unix seconds)."""
        with self._database.reading() as db:
            (count,) = db.execute(
                "SELECT COUNT(*) FROM item_sources AS row JOIN items USING (item_id)"
                " WHERE row.catalogue = ? AND row.added_at >= ? AND row.added_at > items.added_at",
                (storable(name), since),
            ).fetchone()
        return int(count)

    def remove(self, name: str) -> list[int]:
        """Remove a source with its rows, failures and entry. Items that have no row of another source go with it.

        Read again, it brings all of them back.

        Returns:
            The ids of the items that are gone.
        """
        name = storable(name)
        with self._database.writing() as db:
            rows = db.execute("SELECT item_id, key FROM item_sources WHERE catalogue = ?", (name,)).fetchall()
            db.execute("DELETE FROM failures WHERE catalogue = ?", (name,))
            db.execute("DELETE FROM catalogues WHERE name = ?", (name,))
            db.execute("DELETE FROM refused WHERE catalogue = ?", (name,))
            gone = _drop_rows(db, rows)
            # The rows left with their source, so items removed by the user also return when it is indexed again.
            sql = "UPDATE items SET vanished = 1 WHERE item_id IN (SELECT value FROM json_each(?)) AND removed_at IS NOT NULL"
            db.execute(sql, (id_list(gone),))
            return removal.remove(db, gone, vanished=True)

    def remove_missing(
        self, name: str, keys_present: Iterable[str], *, unread: Collection[str] = (), title_models: Collection[str] = ()
    ) -> tuple[list[int], int]:
        """Remove a source's rows, and its failures, whose key is not among `keys_present`; with them the items that have no other row.

        The items come back with their row.

        Args:
            unread: beginnings of keys that may be present all the same, because a part of the source could not be read.
            title_models: see `Items.update_texts`.

        Returns:
            The ids of the removed items, and how many rows stay because their key begins like that.
        """
        name = storable(name)
        with self._database.writing() as db:
            with _present(db, keys_present, unread):
                rows = db.execute(f"SELECT item_id, item_sources.key FROM {_GONE}", (name,)).fetchall()
                (missing,) = db.execute(f"SELECT COUNT(*) FROM {_MISSING}", (name,)).fetchone()
                db.execute("DELETE FROM failures WHERE catalogue = ? AND key NOT IN (SELECT key FROM temp.present)", (name,))
            gone = _drop_rows(db, rows, title_models=title_models)
            return removal.remove(db, gone, vanished=True), missing - len(rows)

    def detect_renames(
        self, name: str, keys_present: Iterable[str], *, unread: Collection[str] = (), title_models: Collection[str] = ()
    ) -> list[int]:
        """Match items whose row is gone with new items that have the same image, as after renaming a file.

        The new item is deleted, the old one gets its row in place of the one that is gone. Gone are also items that were removed with
        their row; new are items added since the source was last read to its end: a copy that was there before stays an item of its own.
        To be called before `remove_missing`.

        Args:
            unread: see `remove_missing`.
            title_models: see `Items.update_texts`.

        Returns:
            The ids of the items that got another key.
        """
        name = storable(name)
        with self._database.writing() as db:
            if db.execute(f"SELECT 1 FROM {_NEW} LIMIT 1", (name, name)).fetchone() is None:
                return []  # the usual case: the keys need not be read
            with _present(db, keys_present, unread):
                row = "items.content_hash, item_id, item_sources.key"
                gone = db.execute(
                    f"SELECT {row}, 0 AS is_removed FROM {_GONE} UNION ALL SELECT {row}, 1 FROM item_sources JOIN items USING (item_id)"
                    " WHERE item_sources.catalogue = ? AND removed_at IS NOT NULL AND vanished = 1"
                    "  AND item_sources.key NOT IN (SELECT key FROM temp.present) ORDER BY is_removed, item_id",
                    (name, name),
                ).fetchall()
                new = db.execute(
                    f"SELECT DISTINCT items.content_hash, item_id FROM {_NEW} AND item_sources.key IN (SELECT key FROM temp.present)"
                    " ORDER BY item_id",
                    (name, name),
                ).fetchall()
            waiting: defaultdict[str, deque[tuple[int, str]]] = defaultdict(deque)
            for content_hash, item_id, key, _ in gone:
                waiting[content_hash].append((item_id, key))
            moved = []
            for content_hash, new_id in new:
                if waiting[content_hash]:
                    item_id, key = waiting[content_hash].popleft()
                    if item_id != new_id:
                        item_sources.merge(db, item_id, new_id, gone=key, title_models=title_models)
                        moved.append(item_id)
            removal.restore(db, moved)
            return moved

    def adopt_moved(self, name: str, gone: Collection[str], *, title_models: Collection[str] = ()) -> list[int]:
        """Forget the rows of sources that are no longer where they were, of items that a source has as well: its folder was moved.

        One that a person removed stays removed. A source that has no rows left is deleted. To be called before `detect_renames`.

        Args:
            name: the source that was read just now, to its end.
            gone: names of sources whose folder or file does not exist any more.
            title_models: see `Items.update_texts`.

        Returns:
            The ids of the items that moved.
        """
        name, lost = storable(name), json.dumps([storable(each) for each in gone if each != name])
        of_gone = "catalogue IN (SELECT value FROM json_each(?))"
        with self._database.writing() as db:
            rows = db.execute(
                f"SELECT item_id, key FROM item_sources WHERE {of_gone}"
                " AND item_id IN (SELECT item_id FROM item_sources WHERE catalogue = ?) ORDER BY item_id",
                (lost, name),
            ).fetchall()
            item_sources.delete(db, [key for _, key in rows], title_models=title_models)
            refused = "SELECT content_hash FROM refused WHERE catalogue = ?"
            purged = db.execute(f"DELETE FROM refused WHERE {of_gone} AND content_hash IN ({refused})", (lost, name)).rowcount
            if rows or purged:
                db.execute(f"DELETE FROM failures WHERE {of_gone}", (lost,))
                db.execute(
                    f"DELETE FROM catalogues WHERE {of_gone.replace('catalogue', 'name')}"
                    " AND name NOT IN (SELECT catalogue FROM item_sources) AND name NOT IN (SELECT catalogue FROM refused)",
                    (lost,),
                )
            return [item.item_id for item in many_items(db, list(dict.fromkeys(item_id for item_id, _ in rows)))]


def _drop_rows(db: Connection, rows: Iterable[tuple[int, str]], *, title_models: Collection[str] = ()) -> list[int]:
    """Delete rows of items that have others, and return the ids of the items that have none: their rows are kept with them.

    Args:
        rows: the item and the key of each.
    """
    keys_of = defaultdict[int, list[str]](list)
    for item_id, key in rows:
        keys_of[item_id].append(key)
    shared = item_sources.shared(db, keys_of)
    item_sources.delete(db, [key for item_id in shared for key in keys_of[item_id]], title_models=title_models)
    return sorted(keys_of.keys() - shared)


@contextmanager
def _present(db: Connection, keys: Iterable[str], unread: Iterable[str] = ()) -> Iterator[None]:
    """Keys, and beginnings of keys, in the tables `temp.present` and `temp.unread` within the block: there may be millions."""
    db.execute("CREATE TEMP TABLE IF NOT EXISTS present (key TEXT PRIMARY KEY) WITHOUT ROWID")
    db.execute("CREATE TEMP TABLE IF NOT EXISTS unread (beginning TEXT PRIMARY KEY) WITHOUT ROWID")
    for table, values in (("present", keys), ("unread", unread)):
        db.execute(f"DELETE FROM temp.{table}")
        db.executemany(f"INSERT OR IGNORE INTO temp.{table} VALUES (?)", ((storable(text),) for text in values))
    yield
    for table in ("present", "unread"):
        db.execute(f"DELETE FROM temp.{table}")
