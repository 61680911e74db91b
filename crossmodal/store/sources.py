"""What the items come from (`store.sources`): CSV files, folders, archives; and what happens when one shrinks or goes."""

import json
import time
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from crossmodal.store import removal, texts
from crossmodal.store.database import Connection, Database
from crossmodal.store.rows import Row, one_item, storable
from crossmodal.store.writing import ItemTexts, update_texts

# Statements about items that lost their row; to be run within `_present`.
_MISSING = "catalogue = ? AND removed_at IS NULL AND key NOT IN (SELECT key FROM temp.present)"
_GONE = f"{_MISSING} AND NOT EXISTS (SELECT 1 FROM temp.unread WHERE substr(items.key, 1, length(beginning)) = beginning)"
# Items added since the source was last read to its end. Takes the source's name twice.
_NEW = "catalogue = ? AND removed_at IS NULL AND edited = 0 AND added_at > (SELECT completed_at FROM catalogues WHERE name = ?)"


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """A source the collection was filled from.

    Attributes:
        kind: `csv`, `folder`, `demo`, ... as the reader names it.
        location: where it is, as shown to a person.
        completed_at: when a reading last came to its end (Unix seconds), None while none did.
        began_at: when that reading began, None also where an earlier version of this program read it.
        items, failures: rows in the collection, rows that failed.
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
                " (SELECT COUNT(*) FROM items WHERE items.catalogue = name AND removed_at IS NULL),"
                " (SELECT COUNT(*) FROM failures WHERE failures.catalogue = name), began_at FROM catalogues ORDER BY added_at, name"
            ).fetchall()
        return [SourceInfo(*row) for row in rows]

    def counts(self) -> dict[str, int]:
        """How many items each source has, by name; those without any are left out."""
        with self._database.reading() as db:
            return dict(
                db.execute(
                    "SELECT catalogue, COUNT(*) FROM items WHERE removed_at IS NULL GROUP BY catalogue ORDER BY catalogue"
                ).fetchall()
            )

    def remove(self, name: str) -> list[int]:
        """Remove a source's items, failures and entry; returns the items' ids. Read again, it brings all of them back."""
        name = storable(name)
        with self._database.writing() as db:
            rows = db.execute("SELECT item_id FROM items WHERE catalogue = ? AND removed_at IS NULL", (name,)).fetchall()
            db.execute("DELETE FROM failures WHERE catalogue = ?", (name,))
            db.execute("DELETE FROM catalogues WHERE name = ?", (name,))
            db.execute("DELETE FROM refused WHERE catalogue = ?", (name,))
            # The rows left with their source, so items removed by the user also return when it is indexed again.
            db.execute("UPDATE items SET vanished = 1 WHERE catalogue = ? AND removed_at IS NOT NULL", (name,))
            return removal.remove(db, [item_id for (item_id,) in rows], vanished=True)

    def remove_missing(self, name: str, keys_present: Iterable[str], *, unread: Collection[str] = ()) -> tuple[list[int], int]:
        """Remove a source's items, and its failures, whose key is not among `keys_present`. The items come back with their row.

        Args:
            unread: beginnings of keys that may be present all the same, because a part of the source could not be read.

        Returns:
            The ids of the removed items, and how many items stay because their key begins like that.
        """
        name = storable(name)
        with self._database.writing() as db:
            with _present(db, keys_present, unread):
                gone = [item_id for (item_id,) in db.execute(f"SELECT item_id FROM items WHERE {_GONE}", (name,))]
                (missing,) = db.execute(f"SELECT COUNT(*) FROM items WHERE {_MISSING}", (name,)).fetchone()
                db.execute("DELETE FROM failures WHERE catalogue = ? AND key NOT IN (SELECT key FROM temp.present)", (name,))
            return removal.remove(db, gone, vanished=True), missing - len(gone)

    def detect_renames(
        self, name: str, keys_present: Iterable[str], *, unread: Collection[str] = (), title_models: Collection[str] = ()
    ) -> list[int]:
        """Match items whose row is gone with new items that have the same image, as after renaming a file.

        The new item is deleted, the old one gets its key, its origin and, unless edited by hand, its words. Gone are also items that
        were removed with their row; new are items added since the source was last read to its end: a copy that was there before stays
        an item of its own. To be called before `remove_missing`.

        Args:
            unread: see `remove_missing`.
            title_models: see `Items.update_texts`.

        Returns:
            The ids of the items that got another key.
        """
        name = storable(name)
        with self._database.writing() as db:
            if db.execute(f"SELECT 1 FROM items WHERE {_NEW} LIMIT 1", (name, name)).fetchone() is None:
                return []  # the usual case: the keys need not be read
            with _present(db, keys_present, unread):
                gone = db.execute(
                    f"SELECT content_hash, item_id, 0 AS is_removed FROM items WHERE {_GONE}"
                    " UNION ALL SELECT content_hash, item_id, 1 FROM items"
                    " WHERE catalogue = ? AND removed_at IS NOT NULL AND vanished = 1 AND key NOT IN (SELECT key FROM temp.present)"
                    " ORDER BY is_removed, item_id",
                    (name, name),
                ).fetchall()
                sql = f"SELECT content_hash, item_id FROM items WHERE {_NEW} AND key IN (SELECT key FROM temp.present) ORDER BY item_id"
                new = db.execute(sql, (name, name)).fetchall()
            waiting: defaultdict[str, deque[int]] = defaultdict(deque)
            for content_hash, item_id, _ in gone:
                waiting[content_hash].append(item_id)
            pairs = [(waiting[content_hash].popleft(), item_id) for content_hash, item_id in new if waiting[content_hash]]
            for old, item_id in pairs:
                _take_place(db, old, item_id, title_models=title_models)
            return [old for old, _ in pairs]

    def adopt_moved(self, name: str, gone: Collection[str], *, title_models: Collection[str] = ()) -> list[int]:
        """Match items of sources that are no longer where they were with items of a source that have the same image.

        As in `detect_renames`, the new item is deleted, and the old one gets its key, source and origin and, unless edited by hand, its
        words. One that a person removed stays removed. A source that has no items left is deleted. To be called before `detect_renames`.

        Args:
            name: the source that was read just now, to its end.
            gone: names of sources whose folder or file does not exist any more.
            title_models: see `Items.update_texts`.

        Returns:
            The ids of the items that moved.
        """
        name, lost = storable(name), json.dumps([storable(each) for each in gone if each != name])
        row_key = "substr(key, instr(key, char(10)) + 1)"
        of_gone = "catalogue IN (SELECT value FROM json_each(?))"
        with self._database.writing() as db:
            old = db.execute(
                f"SELECT content_hash, {row_key}, item_id, removed_at IS NOT NULL AND vanished = 0 FROM items WHERE {of_gone}"
                " ORDER BY removed_at IS NOT NULL, item_id",
                (lost,),
            ).fetchall()
            new = db.execute(
                f"SELECT content_hash, {row_key}, item_id FROM items"
                " WHERE catalogue = ? AND removed_at IS NULL AND edited = 0 ORDER BY item_id",
                (name,),
            ).fetchall()
            pairs = _pairs(old, new)
            for item_id, new_id, by_hand in pairs:
                _take_place(db, item_id, new_id, title_models=title_models, restore=not by_hand)
            if pairs:
                db.execute(f"DELETE FROM failures WHERE {of_gone}", (lost,))
                db.execute(
                    "DELETE FROM catalogues WHERE name IN (SELECT value FROM json_each(?))"
                    " AND name NOT IN (SELECT catalogue FROM items) AND name NOT IN (SELECT catalogue FROM refused)",
                    (lost,),
                )
            return [item_id for item_id, _, by_hand in pairs if not by_hand]


def _pairs(old: Sequence[Row], new: Sequence[Row]) -> list[tuple[int, int, bool]]:
    """Old and new items with the same image, those with the same row key first; each is in one pair at most.

    Args:
        old: content hash, row key, item id, and whether a person removed it. `new`: the first three of these.
    """
    pairs = []
    for columns in (2, 1):
        waiting: defaultdict[Row, deque[Row]] = defaultdict(deque)
        for row in old:
            waiting[row[:columns]].append(row)
        rest = []
        for row in new:
            if waiting[row[:columns]]:
                _, _, item_id, by_hand = waiting[row[:columns]].popleft()
                pairs.append((item_id, row[2], bool(by_hand)))
            else:
                rest.append(row)
        taken = {item_id for item_id, _, _ in pairs}
        old, new = [row for row in old if row[2] not in taken], rest
    return pairs


def _take_place(db: Connection, old: int, new: int, *, title_models: Collection[str], restore: bool = True) -> None:
    """Give the item `old` the row of the item `new`, which is deleted; words edited by hand stay."""
    row = one_item(db, new)
    (key,) = db.execute("SELECT key FROM items WHERE item_id = ?", (new,)).fetchone()
    rows = db.execute("SELECT model_no, checksum, embedding FROM embeddings WHERE item_id = ?", (new,)).fetchall()
    text_ids = texts.of_items(db, [new])
    removal.record_removal(db, [new])
    db.execute("DELETE FROM items WHERE item_id = ?", (new,))
    (edited,) = db.execute(
        "UPDATE items SET key = ?, source = ?, catalogue = ? WHERE item_id = ? RETURNING edited",
        (key, row.origin, storable(row.source), old),
    ).fetchone()
    update_texts(db, [ItemTexts(key, row.title, row.origin, row.captions, row.attributes, row.held_out)], title_models=title_models)
    if not (edited and title_models):  # an embedding that depends on the new row's title is wrong for one that was edited
        sql = "INSERT OR IGNORE INTO embeddings (item_id, model_no, checksum, embedding) VALUES (?, ?, ?, ?)"
        db.executemany(sql, [(old, *embedding) for embedding in rows])
    texts.publish(db, text_ids)
    if restore:
        removal.restore(db, [old])


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
