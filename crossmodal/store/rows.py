"""Rows of the table `items` as `Item`, and the text and ids that its statements take."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from crossmodal.errors import QueryError, StoreError
from crossmodal.items import Item
from crossmodal.store.database import Connection

Row = tuple[Any, ...]

ITEM_COLUMNS = (
    "items.item_id, items.title, items.catalogue, items.content_hash, items.width_px, items.height_px, items.added_at,"
    " items.source, items.captions, items.attributes, items.held_out"
)
ITEM_WIDTH = 11
IS_OF_SOURCE = "EXISTS (SELECT 1 FROM item_sources WHERE item_sources.catalogue = ? AND item_sources.item_id = items.item_id)"
"""Whether an item has a row of a source."""

MAX_ID = 2**63 - 1


def item_of(row: Row) -> Item:
    """The first eleven columns of a row selected with `ITEM_COLUMNS`.

    Raises:
        StoreError: `index_corrupt`, its captions or attributes are not what was written.
    """
    item_id, title, source, content_hash, width_px, height_px, added_at, origin = row[:8]
    captions, attributes, held_out = row[8:ITEM_WIDTH]
    try:
        words, named = words_of(captions, attributes)
    except (ValueError, RecursionError) as error:
        raise damaged_item(item_id, "its captions or attributes cannot be read") from error
    return Item(item_id, title, source, content_hash, width_px, height_px, added_at, origin, words, named, bool(held_out))


def words_of(captions: str, attributes: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """Captions and attributes as stored in their columns. Raises ValueError or RecursionError for anything else."""
    texts = json.loads(captions) if captions != "[]" else []
    values = json.loads(attributes) if attributes != "{}" else {}
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise ValueError
    return tuple(texts), values


def one_item(db: Connection, item_id: int) -> Item:
    """One item.

    Raises:
        QueryError: `not_found`, also for a removed item.
    """
    found = many_items(db, [item_id])
    if not found:
        raise not_found(item_id)
    return found[0]


def many_items(db: Connection, item_ids: Sequence[int]) -> list[Item]:
    """Items in the order of `item_ids`. Those not there, or removed, are left out."""
    rows = db.execute(
        f"SELECT {ITEM_COLUMNS} FROM items WHERE item_id IN (SELECT value FROM json_each(?)) AND removed_at IS NULL",
        (id_list(item_ids),),
    ).fetchall()
    found = {row[0]: item_of(row) for row in rows}
    return [found[item_id] for item_id in item_ids if item_id in found]


def item_page(db: Connection, limit: int, *, after_id: int | None, source: str | None, newest_first: bool = False) -> list[Item]:
    """Up to `limit` items beyond `after_id` in the order of their ids."""
    conditions, values = ["removed_at IS NULL"], list[object]()
    if after_id is not None:
        conditions.append("item_id < ?" if newest_first else "item_id > ?")
        values.append(max(-1, min(after_id, MAX_ID)))
    if source is not None:
        conditions.append(IS_OF_SOURCE)
        values.append(storable(source))
    order = "DESC" if newest_first else "ASC"
    sql = f"SELECT {ITEM_COLUMNS} FROM items WHERE {' AND '.join(conditions)} ORDER BY item_id {order} LIMIT ?"
    return [item_of(row) for row in db.execute(sql, (*values, max(0, limit)))]


def storable(text: str) -> str:
    """The text as the database can hold it: NUL and lone surrogates, which file names may bring, become backslash escapes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode(errors="backslashreplace").decode()
    return text.replace("\0", "\\x00")


def id_list(item_ids: Iterable[int]) -> str:
    """Ids as the JSON list SQLite's `json_each` reads; numbers that cannot be ids are left out."""
    return json.dumps([int(item_id) for item_id in item_ids if 0 < item_id <= MAX_ID])


def not_found(item_id: int) -> QueryError:
    """The error for an id that is not in the collection."""
    return QueryError("not_found", f"There is no item {item_id} in the collection.", remedy="It may have been removed.")


def damaged_item(item_id: int, what: str) -> StoreError:
    """The error for a row whose bytes are not what was written."""
    return StoreError(
        "index_corrupt",
        f"Item {item_id} of the collection is damaged: {what}.",
        remedy="Remove the item and add its picture again, or restore a copy of the collection.",
    )
