"""The rows of sources behind each item: which item a new row belongs to, and the words of an item as those of its rows joined."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from crossmodal.items import ItemSource, NewItem, texts_of
from crossmodal.store import models, removal, texts
from crossmodal.store.database import Connection
from crossmodal.store.rows import Row, damaged_item, id_list, storable, words_of
from crossmodal.text.cleaning import title_from_location

COLUMNS = (
    "item_sources.key, item_sources.catalogue, item_sources.title, item_sources.source, item_sources.captions,"
    " item_sources.attributes, item_sources.held_out"
)
WIDTH = 7
# Sources whose rows have words of their own: equal words about an equal picture are one item. Equal files of a folder stay apart.
_TABLES = ("csv", "parquet")
# Of a picture that more rows show, such as a shop's "no picture" image, only so many are compared with a new row.
_MOST_COMPARED = 1_000


@dataclass(frozen=True, slots=True)
class ItemTexts:
    """The words of a row without its image, for an item whose image did not change."""

    key: str
    title: str
    origin: str = ""
    captions: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    held_out: bool = False


def row_of(item_id: int, row: Row) -> ItemSource:
    """The first seven columns of a row selected with `COLUMNS`.

    Raises:
        StoreError: `index_corrupt`, its captions or attributes are not what was written.
    """
    key, source, title, origin, captions, attributes, held_out = row[:WIDTH]
    try:
        texts_read, named = words_of(captions, attributes)
    except (ValueError, RecursionError) as error:
        raise damaged_item(item_id, "the words of one of its sources cannot be read") from error
    return ItemSource(key, source, title, origin, texts_read, named, bool(held_out))


def of_item(db: Connection, item_id: int) -> list[ItemSource]:
    """The rows of an item, in the order in which they joined it; empty for an unknown item."""
    rows = db.execute(f"SELECT {COLUMNS} FROM item_sources WHERE item_id = ? ORDER BY row_no", (item_id,)).fetchall()
    return [row_of(item_id, row) for row in rows]


def stored_words(row: NewItem | ItemTexts) -> tuple[str, str, str, str, int]:
    """Title, origin, captions, attributes and `held_out` as columns."""
    captions = [storable(caption) for caption in row.captions]
    return storable(row.title), storable(row.origin), json.dumps(captions), stored_attributes(row.attributes), int(row.held_out)


def stored_attributes(attributes: Mapping[str, str]) -> str:
    """Attributes as a column."""
    return json.dumps({storable(name): storable(value) for name, value in attributes.items()})


def insert(db: Connection, item_id: int, entry: NewItem, *, added_at: float) -> None:
    """Store an entry's row as one of an item's."""
    db.execute(
        "INSERT INTO item_sources (key, item_id, catalogue, content_hash, title, source, captions, attributes, held_out, added_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (storable(entry.key), item_id, storable(entry.source), entry.picture.content_hash, *stored_words(entry), added_at),
    )


def is_listed(db: Connection, source: str) -> bool:
    """Whether the collection lists the source; one it does not list is that of items added by hand."""
    return db.execute("SELECT 1 FROM catalogues WHERE name = ?", (storable(source),)).fetchone() is not None


def matching_item(db: Connection, entry: NewItem, *, but: int = 0) -> int | None:
    """The item with the entry's picture that a new row belongs to; None when it is an item of its own. May be a removed one.

    That is, in this order: the item of the row with the same name in another source; in a table, the item of a row with the same
    title and attributes; any item that has no row of this source yet, if possible with the same origin or title. So rows of one
    source that differ stay apart.

    Args:
        but: an item that does not count.
    """
    content_hash, source = entry.picture.content_hash, storable(entry.source)
    if db.execute("SELECT 1 FROM item_sources WHERE content_hash = ? LIMIT 1", (content_hash,)).fetchone() is None:
        return None  # the usual case
    is_other = (
        "items.item_id <> ? AND NOT EXISTS"
        " (SELECT 1 FROM item_sources AS own WHERE own.item_id = items.item_id AND own.catalogue = ?)"
    )
    same_row = db.execute(
        "SELECT items.item_id FROM item_sources JOIN items USING (item_id) WHERE item_sources.key IN (SELECT value FROM json_each(?))"
        f" AND item_sources.content_hash = ? AND {is_other} ORDER BY items.item_id LIMIT 1",
        (json.dumps(keys_elsewhere(db, entry)), content_hash, but, source),
    ).fetchone()
    if same_row is not None:
        return int(same_row[0])
    title, origin, _, attributes, _ = stored_words(entry)
    same_words = db.execute(
        "SELECT item_id FROM (SELECT item_id, attributes FROM item_sources"
        "  WHERE content_hash = ? AND catalogue = ? AND title = ? AND item_id <> ? LIMIT ?)"
        " WHERE attributes = ? AND EXISTS"
        "  (SELECT 1 FROM catalogues WHERE name = ? AND kind IN (SELECT value FROM json_each(?)))"
        " ORDER BY item_id LIMIT 1",
        (content_hash, source, title, but, _MOST_COMPARED, attributes, source, json.dumps(_TABLES)),
    ).fetchone()
    if same_words is not None:
        return int(same_words[0])
    # Two ranges of the index, so that the rows of this source are not walked through.
    elsewhere = "SELECT item_id, source, title FROM item_sources WHERE content_hash = ? AND catalogue {} ?"
    found = db.execute(
        f"SELECT items.item_id FROM (SELECT * FROM ({elsewhere.format('<')} UNION ALL {elsewhere.format('>')}) LIMIT ?) AS row"
        f" JOIN items USING (item_id) WHERE {is_other}"
        " ORDER BY removed_at IS NOT NULL AND vanished = 0, row.source = ? DESC, row.title = ? DESC, items.item_id LIMIT 1",
        (content_hash, source, content_hash, source, _MOST_COMPARED, but, source, origin, title),
    ).fetchone()
    return None if found is None else int(found[0])


def refused_elsewhere(db: Connection, entry: NewItem) -> list[str]:
    """Keys of rows in other sources with the entry's picture whose item a person removed, and which has been purged since."""
    sql = "SELECT key FROM refused WHERE content_hash = ? AND catalogue <> ? LIMIT ?"
    found = db.execute(sql, (entry.picture.content_hash, storable(entry.source), _MOST_COMPARED))
    return [key for (key,) in found]


def keys_elsewhere(db: Connection, entry: NewItem) -> list[str]:
    """The keys that the entry's row would have in the other sources."""
    _, row, row_key = storable(entry.key).partition("\n")
    names = db.execute("SELECT name FROM catalogues WHERE name <> ?", (storable(entry.source),)).fetchall() if row else []
    return [f"{name}\n{row_key}" for (name,) in names]


def update(db: Connection, row: ItemTexts) -> int | None:
    """Replace a row's words by its key, where they differ.

    Returns:
        The item to be refreshed; None if nothing differed, the key is unknown, or the item was edited by hand and keeps its words.
    """
    found = db.execute(
        "UPDATE item_sources SET title = ?1, source = ?2, captions = ?3, attributes = ?4, held_out = ?5 WHERE key = ?6 AND"
        " (title <> ?1 OR source <> ?2 OR captions <> ?3 OR attributes <> ?4 OR held_out <> ?5)"
        " RETURNING item_id, (SELECT edited FROM items WHERE items.item_id = item_sources.item_id)",
        (*stored_words(row), storable(row.key)),
    ).fetchone()
    return None if found is None or found[1] else int(found[0])


def delete(db: Connection, keys: Collection[str], *, title_models: Collection[str] = ()) -> None:
    """Delete rows of items that have others as well, and with them the words that no other row contributes."""
    gone = "key IN (SELECT value FROM json_each(?))"
    ids = db.execute(f"DELETE FROM item_sources WHERE {gone} RETURNING item_id", (json.dumps(list(keys)),)).fetchall()
    for item_id in dict.fromkeys(item_id for (item_id,) in ids):
        refresh(db, item_id, title_models=title_models)


def shared(db: Connection, keys_of: Mapping[int, Collection[str]]) -> set[int]:
    """Those of the items that have more rows than the given ones."""
    sql = "SELECT item_id, COUNT(*) FROM item_sources WHERE item_id IN (SELECT value FROM json_each(?)) GROUP BY item_id"
    return {item_id for item_id, count in db.execute(sql, (id_list(keys_of),)) if count > len(keys_of[item_id])}


def merge(db: Connection, keep: int, drop: int, *, gone: str = "", title_models: Collection[str] = ()) -> None:
    """Give the rows of the item `drop`, which shows the same picture, to the item `keep`; the former is deleted.

    Args:
        gone: key of a row that is deleted.
        title_models: see `models.drop_outdated`.
    """
    (drop_title,) = db.execute("SELECT title FROM items WHERE item_id = ?", (drop,)).fetchone()
    embeddings = db.execute("SELECT model_no, checksum, embedding FROM embeddings WHERE item_id = ?", (drop,)).fetchall()
    text_ids = texts.of_items(db, [drop])
    db.execute("UPDATE item_sources SET item_id = ? WHERE item_id = ?", (keep, drop))
    db.execute("DELETE FROM item_sources WHERE key = ?", (gone,))
    removal.record_removal(db, [drop])
    db.execute("DELETE FROM items WHERE item_id = ?", (drop,))
    refresh(db, keep, title_models=title_models)
    (title,) = db.execute("SELECT title FROM items WHERE item_id = ?", (keep,)).fetchone()
    if title == drop_title or not title_models:  # otherwise an embedding that depends on the title is wrong
        sql = "INSERT OR IGNORE INTO embeddings (item_id, model_no, checksum, embedding) VALUES (?, ?, ?, ?)"
        db.executemany(sql, [(keep, *embedding) for embedding in embeddings])
    texts.publish(db, text_ids)


def refresh(db: Connection, item_id: int, *, title_models: Collection[str] = (), fresh: Collection[str] = ()) -> bool:
    """Join the words of an item's rows anew; returns whether that changed the item. Title and attributes edited by hand stay.

    Args:
        title_models, fresh: see `models.drop_outdated`.
    """
    rows = of_item(db, item_id)
    former, named, edited = db.execute("SELECT title, attributes, edited FROM items WHERE item_id = ?", (item_id,)).fetchone()
    row = joined(rows, edited=former if edited else None)
    named = named if edited else stored_attributes(row.attributes)
    values = (row.key, row.source, row.title, row.origin, json.dumps(row.captions), named, row.held_out)
    changed = db.execute(
        "UPDATE items SET key = ?1, catalogue = ?2, title = ?3, source = ?4, captions = ?5, attributes = ?6, held_out = ?7"
        " WHERE item_id = ?8 AND (key <> ?1 OR catalogue <> ?2 OR title <> ?3 OR source <> ?4 OR captions <> ?5"
        "  OR attributes <> ?6 OR held_out <> ?7)",
        (*values, item_id),
    ).rowcount
    texts.put(db, item_id, texts_of(row.title, row.captions))
    if row.title != former:
        models.drop_outdated(db, item_id, title_models=title_models, fresh=fresh)
    return bool(changed)


def joined(rows: Sequence[ItemSource], *, edited: str | None = None) -> ItemSource:
    """Rows of one item joined: their words, each text once, under the key, source and origin of the first.

    The title is the first that somebody gave, rather than one made from a file's name. Titles of rows without captions are among the
    captions, so that each row's words are found.

    Args:
        rows: one or more.
        edited: the title a person gave the item, in place of the one from its rows.
    """
    [first, *others] = rows
    if not others:
        return first if edited is None else replace(first, title=edited)
    given = [row.title for row in rows if row.title.strip() and row.title != title_from_location(row.origin)]
    chosen = (given or [row.title for row in rows if row.title.strip()] or [""])[0]
    title = chosen if edited is None else edited
    captions: dict[str, None] = {}
    for row in rows:
        own_title = row.title if row.title in given and row.title != chosen else title
        is_a_file_name = edited is None and row.title not in given
        captions.update(dict.fromkeys(texts_of("" if is_a_file_name else own_title, row.captions)))
    return replace(
        first,
        title=title,
        captions=() if tuple(captions) == (title,) else tuple(captions),
        attributes={name: value for row in (*reversed(others), first) for name, value in row.attributes.items()},
        held_out=any(row.held_out for row in rows),
    )
