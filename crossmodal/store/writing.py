"""Bringing items into the database: new ones, changed ones, and ones that come back."""

import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from crossmodal.items import Embedding, Item, NewItem, texts_of
from crossmodal.store import embeddings, failures, models, pictures, removal, texts
from crossmodal.store.checksums import embedding_blob
from crossmodal.store.database import Connection
from crossmodal.store.rows import ITEM_COLUMNS, Row, item_of, one_item, storable
from crossmodal.store.texts import TextEmbeddings

_TEXT_COLUMNS = ("title", "source", "captions", "attributes", "held_out")


@dataclass(frozen=True, slots=True)
class ItemTexts:
    """The words of an item without its image, for an item whose image did not change."""

    key: str
    title: str
    origin: str = ""
    captions: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    held_out: bool = False


def add(
    db: Connection,
    entries: Sequence[NewItem],
    *,
    model_id: str,
    other_embeddings: Mapping[str, Sequence[Embedding]] | None = None,
    text_embeddings: TextEmbeddings | None = None,
) -> list[tuple[Item, bool]]:
    """Write entries in order; returns each as stored, with whether its key was new."""
    if not entries:
        return []
    rows = {model_id: [entry.embedding for entry in entries], **(other_embeddings or {})}
    models.check_active(db, rows)
    numbered = [(*embeddings.model_no(db, name, embedding=rows[name][0]), name) for name in rows]
    written = [_write(db, entry, numbered, [rows[name][i] for name in rows]) for i, entry in enumerate(entries)]
    texts.add_embeddings(db, text_embeddings or {})
    failures.clear(db, [entry.key for entry in entries])
    return written


def update_texts(
    db: Connection,
    rows: Sequence[ItemTexts],
    *,
    text_embeddings: TextEmbeddings | None = None,
    title_models: Collection[str] = (),
    fresh: Collection[str] = (),
) -> int:
    """Replace the words of items by key; returns how many differed. Unknown keys, and items edited by hand, are passed over.

    Args:
        title_models, fresh: see `models.drop_outdated`.
    """
    changed = 0
    for model_id in title_models:
        models.set_reads_titles(db, model_id, True)
    for row in rows:
        values = _text_values(row)
        differs = " OR ".join(f"{column} IS NOT ?" for column in _TEXT_COLUMNS)
        assignments = ", ".join(f"{column} = ?" for column in _TEXT_COLUMNS)
        former = db.execute(
            f"SELECT item_id, title FROM items WHERE key = ? AND edited = 0 AND ({differs})", (storable(row.key), *values)
        ).fetchone()
        if former is None:
            continue
        item_id, title = former
        db.execute(f"UPDATE items SET {assignments} WHERE item_id = ?", (*values, item_id))
        texts.put(db, item_id, texts_of(row.title, row.captions))
        if title != values[0]:
            models.drop_outdated(db, item_id, title_models=title_models, fresh=fresh)
        changed += 1
    texts.add_embeddings(db, text_embeddings or {})
    return changed


def edit(
    db: Connection,
    item_id: int,
    *,
    title: str | None,
    attributes: Mapping[str, str] | None,
    text_embeddings: TextEmbeddings | None = None,
    title_embeddings: Mapping[str, Embedding] | None = None,
) -> Item:
    """Replace the title or the attributes of one item, or both; None leaves them.

    Raises:
        QueryError: `not_found`.
    """
    former = one_item(db, item_id)
    if text_embeddings is not None:
        models.check_active(db, text_embeddings)
    values = (
        storable(former.title if title is None else title),
        json.dumps(_storable_attributes(former.attributes if attributes is None else attributes)),
    )
    is_edit = title is not None or attributes is not None
    db.execute("UPDATE items SET title = ?, attributes = ?, edited = max(edited, ?) WHERE item_id = ?", (*values, is_edit, item_id))
    texts.put(db, item_id, texts_of(values[0], former.captions))
    texts.add_embeddings(db, text_embeddings or {})
    title_embeddings = title_embeddings or {}
    if values[0] != former.title:
        models.drop_outdated(db, item_id, title_models=title_embeddings, fresh=title_embeddings)
    for model_id, embedding in title_embeddings.items():
        models.set_reads_titles(db, model_id, True)
        model = (*embeddings.model_no(db, model_id, embedding=embedding), model_id)
        embeddings.write(db, model, item_id, key=values[0], content_hash=former.content_hash, embedding=embedding)
    return one_item(db, item_id)


def _write(
    db: Connection, entry: NewItem, numbered: Sequence[tuple[int, int, str]], rows: Sequence[Embedding]
) -> tuple[Item, bool]:
    key = storable(entry.key)
    pictures.write(db, entry.picture)
    db.execute("DELETE FROM refused WHERE key = ?", (key,))
    row = db.execute("SELECT item_id, content_hash, removed_at FROM items WHERE key = ?", (key,)).fetchone()
    item_id = _insert(db, entry, key) if row is None else _update(db, entry, row, [name for _, _, name in numbered])
    stored_item = one_item(db, item_id)  # one that was edited by hand keeps its words
    texts.put(db, item_id, texts_of(stored_item.title, stored_item.captions))
    for model, embedding in zip(numbered, rows, strict=True):
        sql = "SELECT embedding FROM embeddings WHERE item_id = ? AND model_no = ?"
        stored = db.execute(sql, (item_id, model[0])).fetchone()
        # The same again is not republished; another one is, where it depends on the title.
        if stored is None or stored[0] != embedding_blob(embedding, key=entry.key, embed_dim=model[1]):
            content_hash = entry.picture.content_hash
            embeddings.write(db, model, item_id, key=entry.key, content_hash=content_hash, embedding=embedding)
    return item_of(db.execute(f"SELECT {ITEM_COLUMNS} FROM items WHERE item_id = ?", (item_id,)).fetchone()), row is None


def _insert(db: Connection, entry: NewItem, key: str) -> int:
    picture = entry.picture
    row = db.execute(
        "INSERT INTO items (key, catalogue, title, source, captions, attributes, held_out,"
        " content_hash, width_px, height_px, added_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING item_id",
        (
            key,
            storable(entry.source),
            *_text_values(entry),
            picture.content_hash,
            picture.width_px,
            picture.height_px,
            time.time(),
        ),
    ).fetchone()
    return int(row[0])


def _update(db: Connection, entry: NewItem, row: Row, model_ids: Collection[str]) -> int:
    """Bring a known key up to date, live or removed. Embeddings of these models are written afterwards."""
    item_id, content_hash, removed_at = row
    picture = entry.picture
    words = ItemTexts(entry.key, entry.title, entry.origin, entry.captions, entry.attributes, entry.held_out)
    update_texts(db, [words], fresh=model_ids)
    db.execute(
        "UPDATE items SET catalogue = ? WHERE item_id = ? AND catalogue IS NOT ?",
        (storable(entry.source), item_id, storable(entry.source)),
    )
    if content_hash != picture.content_hash:
        # Every model's embedding shows the old picture, so every index must let go of the item.
        removal.record_removal(db, [item_id])
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
    attributes = json.dumps(_storable_attributes(texts.attributes))
    return storable(texts.title), storable(texts.origin), json.dumps(captions), attributes, int(texts.held_out)


def _storable_attributes(attributes: Mapping[str, str]) -> dict[str, str]:
    return {storable(name): storable(value) for name, value in attributes.items()}
