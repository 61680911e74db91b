"""Bringing items into the database: new ones, changed ones, and ones that come back."""

import json
import time
from collections.abc import Sequence

from crossmodal.catalog import embeddings, failures, pictures, removal
from crossmodal.catalog.connections import Connection
from crossmodal.catalog.items import ITEM_COLUMNS, Row, item_of, storable
from crossmodal.catalog.records import ItemTexts
from crossmodal.items import Item, NewItem

_TEXT_COLUMNS = ("title", "source", "captions", "attributes", "held_out")


def add(db: Connection, entries: Sequence[NewItem], *, model_id: str) -> list[tuple[Item, bool]]:
    """Write entries in order; each comes back as stored, with whether its key was new."""
    if not entries:
        return []
    model = (*embeddings.model_no(db, model_id, embedding=entries[0].embedding), model_id)
    written = [_write(db, entry, model) for entry in entries]
    failures.clear(db, [entry.key for entry in entries])
    return written


def update_texts(db: Connection, texts: Sequence[ItemTexts]) -> int:
    """Replace the words of items by key; returns how many differed. Unknown keys are passed over."""
    changed = 0
    for row in texts:
        values = _text_values(row)
        differs = " OR ".join(f"{column} IS NOT ?" for column in _TEXT_COLUMNS)
        assignments = ", ".join(f"{column} = ?" for column in _TEXT_COLUMNS)
        changed += db.execute(
            f"UPDATE items SET {assignments} WHERE key = ? AND ({differs})", (*values, storable(row.key), *values)
        ).rowcount
    return changed


def _write(db: Connection, entry: NewItem, model: tuple[int, int, str]) -> tuple[Item, bool]:
    key = storable(entry.key)
    pictures.write(db, entry.picture)
    row = db.execute("SELECT item_id, content_hash, removed_at FROM items WHERE key = ?", (key,)).fetchone()
    item_id = _insert(db, entry, key) if row is None else _update(db, entry, row)
    number, _, _ = model
    has_embedding = db.execute("SELECT 1 FROM embeddings WHERE item_id = ? AND model_no = ?", (item_id, number)).fetchone()
    if has_embedding is None:
        content_hash = entry.picture.content_hash
        embeddings.write(db, model, item_id, key=entry.key, content_hash=content_hash, embedding=entry.embedding)
    return item_of(db.execute(f"SELECT {ITEM_COLUMNS} FROM items WHERE item_id = ?", (item_id,)).fetchone()), row is None


def _insert(db: Connection, entry: NewItem, key: str) -> int:
    picture = entry.picture
    row = db.execute(
        "INSERT INTO items (key, catalogue, title, source, captions, attributes, held_out,"
        " content_hash, width_px, height_px, added_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING item_id",
        (
            key,
            storable(entry.catalogue),
            *_text_values(entry),
            picture.content_hash,
            picture.width_px,
            picture.height_px,
            time.time(),
        ),
    ).fetchone()
    return int(row[0])


def _update(db: Connection, entry: NewItem, row: Row) -> int:
    """Bring a known key up to date, live or removed."""
    item_id, content_hash, removed_at = row
    picture = entry.picture
    update_texts(db, [ItemTexts(entry.key, entry.title, entry.source, entry.captions, entry.attributes, entry.held_out)])
    db.execute(
        "UPDATE items SET catalogue = ? WHERE item_id = ? AND catalogue IS NOT ?",
        (storable(entry.catalogue), item_id, storable(entry.catalogue)),
    )
    if content_hash != picture.content_hash:
        # Every model's embedding shows the old picture, so every index must let go of the item.
        removal.announce(db, [item_id])
        db.execute("DELETE FROM embeddings WHERE item_id = ?", (item_id,))
        db.execute(
            "UPDATE items SET content_hash = ?, width_px = ?, height_px = ? WHERE item_id = ?",
            (picture.content_hash, picture.width_px, picture.height_px, item_id),
        )
        pictures.drop_unused(db, content_hash)
    if removed_at is not None:
        removal.restore(db, [item_id])
    return int(item_id)


def _text_values(texts: NewItem | ItemTexts) -> tuple[str, str, str, str, int]:
    """In the order of `_TEXT_COLUMNS`."""
    captions = [storable(caption) for caption in texts.captions]
    attributes = {storable(name): storable(value) for name, value in texts.attributes.items()}
    return storable(texts.title), storable(texts.source), json.dumps(captions), json.dumps(attributes), int(texts.held_out)
