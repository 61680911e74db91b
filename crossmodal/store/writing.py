"""Bringing items into the database: new ones, changed ones, and ones that come back."""

import time
from collections.abc import Collection, Mapping, Sequence

from crossmodal.items import Embedding, Item, NewItem, texts_of
from crossmodal.store import embeddings, failures, item_sources, models, pictures, removal, texts
from crossmodal.store.checksums import embedding_blob
from crossmodal.store.database import Connection
from crossmodal.store.item_sources import ItemTexts
from crossmodal.store.rows import ITEM_COLUMNS, item_of, many_items, one_item, storable
from crossmodal.store.texts import TextEmbeddings


def add(
    db: Connection,
    entries: Sequence[NewItem],
    *,
    model_id: str,
    other_embeddings: Mapping[str, Sequence[Embedding]] | None = None,
    text_embeddings: TextEmbeddings | None = None,
    title_models: Collection[str] = (),
) -> list[tuple[Item | None, bool]]:
    """Write entries in order; returns the item of each as stored, with whether it is new; None for one that a person removed for good.

    Args:
        title_models: see `Items.update_texts`. Their embeddings of entries that join an item with another title are not stored.
    """
    if not entries:
        return []
    rows = {model_id: [entry.embedding for entry in entries], **(other_embeddings or {})}
    models.check_active(db, rows)
    numbered = [(*embeddings.model_no(db, name, embedding=rows[name][0]), name) for name in rows]
    written = [_write(db, entry, numbered, [rows[name][i] for name in rows], title_models) for i, entry in enumerate(entries)]
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
    """Replace the words of rows by key; returns how many items changed. Unknown keys, and items edited by hand, are passed over.

    Args:
        title_models, fresh: see `models.drop_outdated`.
    """
    for model_id in title_models:
        models.set_reads_titles(db, model_id, True)
    ids = [item_sources.update(db, row) for row in rows]
    changed = sum(item_sources.refresh(db, each, title_models=title_models, fresh=fresh) for each in ids if each is not None)
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
    new_title = storable(former.title if title is None else title)
    named = item_sources.stored_attributes(former.attributes if attributes is None else attributes)
    is_edit = title is not None or attributes is not None
    sql = "UPDATE items SET title = ?, attributes = ?, edited = max(edited, ?) WHERE item_id = ?"
    db.execute(sql, (new_title, named, is_edit, item_id))
    item_sources.refresh(db, item_id)
    texts.add_embeddings(db, text_embeddings or {})
    title_embeddings = title_embeddings or {}
    if new_title != former.title:
        models.drop_outdated(db, item_id, title_models=title_embeddings, fresh=title_embeddings)
    for model_id, embedding in title_embeddings.items():
        models.set_reads_titles(db, model_id, True)
        model = (*embeddings.model_no(db, model_id, embedding=embedding), model_id)
        embeddings.write(db, model, item_id, key=new_title, content_hash=former.content_hash, embedding=embedding)
    return one_item(db, item_id)


def _write(
    db: Connection,
    entry: NewItem,
    numbered: Sequence[tuple[int, int, str]],
    rows: Sequence[Embedding],
    title_models: Collection[str],
) -> tuple[Item | None, bool]:
    key = storable(entry.key)
    db.execute("DELETE FROM refused WHERE key = ?", (key,))
    sql = "SELECT item_id, items.content_hash FROM item_sources JOIN items USING (item_id) WHERE item_sources.key = ?"
    row = db.execute(sql, (key,)).fetchone()
    if row is not None and row[1] != entry.picture.content_hash and item_sources.shared(db, {row[0]: [key]}):
        item_sources.delete(db, [key], title_models=title_models)  # the other rows go on showing the former picture
        row = None
    model_ids = [name for _, _, name in numbered]
    if row is None:
        item_id, created = _place(db, entry, title_models)
        if item_id is None:
            return None, False
    else:
        item_id, created = _update(db, entry, *row, title_models=title_models, model_ids=model_ids), False
    item = item_of(db.execute(f"SELECT {ITEM_COLUMNS} FROM items WHERE item_id = ?", (item_id,)).fetchone())
    for model, embedding in zip(numbered, rows, strict=True):
        if model[2] in title_models and item.title != storable(entry.title):
            continue  # it would be that of another title; the caller makes the item's
        sql = "SELECT embedding FROM embeddings WHERE item_id = ? AND model_no = ?"
        stored = db.execute(sql, (item_id, model[0])).fetchone()
        # The same again is not republished; another one is, where it depends on the title.
        if stored is None or stored[0] != embedding_blob(embedding, key=entry.key, embed_dim=model[1]):
            content_hash = entry.picture.content_hash
            embeddings.write(db, model, item_id, key=entry.key, content_hash=content_hash, embedding=embedding)
    return item, created


def _place(db: Connection, entry: NewItem, title_models: Collection[str]) -> tuple[int | None, bool]:
    """The item of a new row, and whether the item is new too; None if a person removed it from another source, and it was purged.

    An item that a person removed and that is still there stays removed with the new row, unless the row was added by hand.
    """
    by_hand = not item_sources.is_listed(db, entry.source)
    refused = [] if by_hand else item_sources.refused_elsewhere(db, entry)
    is_that_row = bool(refused) and not set(refused).isdisjoint(item_sources.keys_elsewhere(db, entry))
    item_id = None if is_that_row else item_sources.matching_item(db, entry)
    if item_id is None and not refused:
        return _insert(db, entry), True
    if item_id is None:
        sql = "INSERT OR REPLACE INTO refused (key, catalogue, content_hash) VALUES (?, ?, ?)"
        db.execute(sql, (storable(entry.key), storable(entry.source), entry.picture.content_hash))
        return None, False
    pictures.write(db, entry.picture)
    removed, vanished = db.execute("SELECT removed_at IS NOT NULL, vanished FROM items WHERE item_id = ?", (item_id,)).fetchone()
    if vanished:  # its rows are gone from their sources; one that is found again is written anew
        db.execute("DELETE FROM item_sources WHERE item_id = ?", (item_id,))
    item_sources.insert(db, item_id, entry, added_at=time.time())
    item_sources.refresh(db, item_id, title_models=title_models)
    if removed and (vanished or by_hand):
        removal.restore(db, [item_id])
    return item_id, False


def _insert(db: Connection, entry: NewItem) -> int:
    picture = entry.picture
    pictures.write(db, picture)
    added_at = time.time()
    (item_id,) = db.execute(
        "INSERT INTO items (key, catalogue, title, source, captions, attributes, held_out,"
        " content_hash, width_px, height_px, added_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING item_id",
        (
            storable(entry.key),
            storable(entry.source),
            *item_sources.stored_words(entry),
            picture.content_hash,
            picture.width_px,
            picture.height_px,
            added_at,
        ),
    ).fetchone()
    item_sources.insert(db, item_id, entry, added_at=added_at)
    texts.put(db, item_id, texts_of(entry.title, entry.captions))
    return int(item_id)


def _update(
    db: Connection, entry: NewItem, item_id: int, content_hash: str, *, title_models: Collection[str], model_ids: Collection[str]
) -> int:
    """Bring a known row up to date, live or removed. Embeddings of these models are written afterwards."""
    picture = entry.picture
    pictures.write(db, picture)
    sql = "UPDATE item_sources SET catalogue = ?1 WHERE key = ?2 AND catalogue <> ?1"
    renamed = db.execute(sql, (storable(entry.source), storable(entry.key))).rowcount
    words = ItemTexts(entry.key, entry.title, entry.origin, entry.captions, entry.attributes, entry.held_out)
    if item_sources.update(db, words) is not None or renamed:
        item_sources.refresh(db, item_id, title_models=title_models, fresh={*model_ids} - {*title_models})
    if content_hash != picture.content_hash:
        # Every model's embedding shows the old picture, so every index must let go of the item.
        removal.record_removal(db, [item_id])
        db.execute("DELETE FROM embeddings WHERE item_id = ?", (item_id,))
        db.execute(
            "UPDATE items SET content_hash = ?, width_px = ?, height_px = ? WHERE item_id = ?",
            (picture.content_hash, picture.width_px, picture.height_px, item_id),
        )
        db.execute("UPDATE item_sources SET content_hash = ? WHERE item_id = ?", (picture.content_hash, item_id))
        pictures.drop_unused(db, content_hash)
        other = item_sources.matching_item(db, entry, but=item_id)
        if other is not None and many_items(db, [other]):
            item_sources.merge(db, item_id, other, title_models=title_models)
    removal.restore(db, [item_id])
    return item_id
