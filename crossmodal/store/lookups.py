"""Items by other things than their id, and how many texts there are: what clients of other systems ask for."""

from crossmodal.items import Item
from crossmodal.store.connections import Connection
from crossmodal.store.items import ITEM_COLUMNS, item_of, storable

_THERE = "items.removed_at IS NULL"


def named(db: Connection, file_name: str, limit: int) -> list[Item]:
    """Up to `limit` items whose source is this file name, or ends in it after a slash; oldest first. Reads every item's source."""
    name = storable(file_name)
    if not name or "/" in name:
        return []
    sql = (
        f"SELECT {ITEM_COLUMNS} FROM items WHERE {_THERE} AND (items.source = ? OR substr(items.source, ?) = ?)"
        " ORDER BY items.item_id LIMIT ?"
    )
    ending = f"/{name}"
    return [item_of(row) for row in db.execute(sql, (name, -len(ending), ending, limit))]


def at(db: Connection, place: int) -> Item | None:
    """The item at a place, from 0, of all items in the order of their ids; None beyond the last."""
    sql = f"SELECT {ITEM_COLUMNS} FROM items WHERE {_THERE} ORDER BY items.item_id LIMIT 1 OFFSET ?"
    row = db.execute(sql, (max(0, min(place, 2**62)),)).fetchone()
    return None if row is None else item_of(row)


def count_captions(db: Connection) -> int:
    """How many texts describe items: each one's captions, or its title where it has none; blank and repeated ones are no more texts."""
    # Removed items are few and have their own index: counting theirs apart saves looking up every item.
    away = "SELECT COUNT(*) FROM items CROSS JOIN item_texts USING (item_id) WHERE items.removed_at IS NOT NULL"
    return int(db.execute(f"SELECT (SELECT COUNT(*) FROM item_texts) - ({away})").fetchone()[0])
