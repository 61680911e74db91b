"""Rows that went and came back under another key, as a renamed file does: the item stays the one it was."""

from collections import defaultdict, deque
from collections.abc import Collection, Iterable

from crossmodal.store import items, removal, sources, texts, writing
from crossmodal.store.connections import Connection
from crossmodal.store.items import storable
from crossmodal.store.records import ItemTexts

# Twice the catalogue's name.
_NEW = "catalogue = ? AND removed_at IS NULL AND edited = 0 AND added_at > (SELECT completed_at FROM catalogues WHERE name = ?)"


def follow(
    db: Connection, name: str, keys_present: Iterable[str], *, unread: Collection[str] = (), titled: Collection[str] = ()
) -> list[int]:
    """Give items whose row is gone the place of new items that show the same picture; answers the ids of those that moved.

    Gone are also the items that were removed with their row. New are items that came since the catalogue was last read to its end: a copy
    that was there before stays an item of its own.
    """
    name = storable(name)
    if db.execute(f"SELECT 1 FROM items WHERE {_NEW} LIMIT 1", (name, name)).fetchone() is None:
        return []  # as mostly: the keys need not be looked at
    with sources.present(db, keys_present, unread):
        gone = db.execute(
            f"SELECT content_hash, item_id, 0 AS is_away FROM items WHERE {sources.GONE}"
            " UNION ALL SELECT content_hash, item_id, 1 FROM items"
            " WHERE catalogue = ? AND removed_at IS NOT NULL AND vanished = 1 AND key NOT IN (SELECT key FROM temp.present)"
            " ORDER BY is_away, item_id",
            (name, name),
        ).fetchall()
        sql = f"SELECT content_hash, item_id FROM items WHERE {_NEW} AND key IN (SELECT key FROM temp.present) ORDER BY item_id"
        new = db.execute(sql, (name, name)).fetchall()
    waiting: defaultdict[str, deque[int]] = defaultdict(deque)
    for content_hash, item_id, _ in gone:
        waiting[content_hash].append(item_id)
    pairs = [(waiting[content_hash].popleft(), item_id) for content_hash, item_id in new if waiting[content_hash]]
    for old, item_id in pairs:
        _take_place(db, old, item_id, titled=titled)
    return [old for old, _ in pairs]


def _take_place(db: Connection, old: int, new: int, *, titled: Collection[str]) -> None:
    """Let the item `old` have the row of the item `new`, which is forgotten; words edited by hand stay."""
    row = items.item(db, new)
    (key,) = db.execute("SELECT key FROM items WHERE item_id = ?", (new,)).fetchone()
    rows = db.execute("SELECT model_no, checksum, embedding FROM embeddings WHERE item_id = ?", (new,)).fetchall()
    said = texts.of_items(db, [new])
    removal.record_removal(db, [new])
    db.execute("DELETE FROM items WHERE item_id = ?", (new,))
    (edited,) = db.execute(
        "UPDATE items SET key = ?, source = ? WHERE item_id = ? RETURNING edited", (key, row.origin, old)
    ).fetchone()
    writing.update_texts(db, [ItemTexts(key, row.title, row.origin, row.captions, row.attributes, row.held_out)], titled=titled)
    if not (edited and titled):  # an embedding that depends on the new row's title says nothing of one that was edited
        sql = "INSERT OR IGNORE INTO embeddings (item_id, model_no, checksum, embedding) VALUES (?, ?, ?, ?)"
        db.executemany(sql, [(old, *embedding) for embedding in rows])
    texts.settle(db, said)
    removal.restore(db, [old])
