"""Embeddings of items in the database, model by model."""

import time
from collections.abc import Collection, Iterable

import numpy as np

from crossmodal.items import Embedding, Item
from crossmodal.store.changes import stored_model
from crossmodal.store.checksums import embedding_blob, embedding_checksum
from crossmodal.store.connections import Connection
from crossmodal.store.items import ITEM_COLUMNS, damaged_item, item_of, not_found


def model_no(db: Connection, model_id: str, *, embedding: Embedding) -> tuple[int, int]:
    """The number and embedding length under which a model's embeddings are stored; the first embedding settles the length."""
    number, embed_dim = stored_model(db, model_id)
    if number:
        return number, embed_dim
    embed_dim = int(np.asarray(embedding).size)
    sql = "INSERT INTO models (model_id, embed_dim, added_at) VALUES (?, ?, ?) RETURNING model_no"
    return int(db.execute(sql, (model_id, embed_dim, time.time())).fetchone()[0]), embed_dim


def write(db: Connection, model: tuple[int, int, str], item_id: int, *, key: str, content_hash: str, embedding: Embedding) -> None:
    """Store an item's embedding under a new `seq`. `model` is number, embedding length and id."""
    number, embed_dim, model_id = model
    blob = embedding_blob(embedding, key=key, embed_dim=embed_dim)
    db.execute(
        "INSERT OR REPLACE INTO embeddings (item_id, model_no, checksum, embedding) VALUES (?, ?, ?, ?)",
        (item_id, number, embedding_checksum(content_hash, model_id, blob), blob),
    )


def add(db: Connection, model_id: str, pairs: Iterable[tuple[Item, Embedding]]) -> int:
    """Store embeddings of items that are there already; returns how many were stored."""
    stored = 0
    model: tuple[int, int, str] | None = None
    for item, embedding in pairs:
        # The picture or the title may have been replaced, or the item removed, since the caller read it.
        current = db.execute(
            "SELECT 1 FROM items WHERE item_id = ? AND content_hash = ? AND title = ? AND removed_at IS NULL",
            (item.item_id, item.content_hash, item.title),
        ).fetchone()
        if current is None:
            continue
        model = model or (*model_no(db, model_id, embedding=embedding), model_id)
        write(db, model, item.item_id, key=item.title, content_hash=item.content_hash, embedding=embedding)
        stored += 1
    return stored


def announce_again(db: Connection, item_id: int) -> None:
    """Give an item's embeddings, of every model, a new `seq`: readers of the feed take them in again."""
    rows = db.execute("SELECT item_id, model_no, checksum, embedding FROM embeddings WHERE item_id = ?", (item_id,)).fetchall()
    db.executemany("INSERT OR REPLACE INTO embeddings (item_id, model_no, checksum, embedding) VALUES (?, ?, ?, ?)", rows)


def of_content(db: Connection, content_hash: str, model_id: str) -> Embedding | None:
    """The embedding some item with this picture has, if any; a damaged one counts as none, for it can be made again."""
    rows = db.execute(
        "SELECT checksum, embedding FROM items CROSS JOIN embeddings USING (item_id)"
        " WHERE content_hash = ? AND model_no = ? LIMIT 4",
        (content_hash, stored_model(db, model_id)[0]),
    ).fetchall()
    for checksum, blob in rows:
        if checksum == embedding_checksum(content_hash, model_id, blob):
            return np.frombuffer(blob, dtype="<f4")
    return None


def of_item(db: Connection, item_id: int, model_id: str) -> Embedding:
    """An item's embedding.

    Raises:
        QueryError: `not_found`.
        StoreError: `index_corrupt`.
    """
    row = db.execute(
        "SELECT content_hash, checksum, embedding FROM items JOIN embeddings USING (item_id)"
        " WHERE item_id = ? AND model_no = ? AND removed_at IS NULL",
        (item_id if 0 < item_id < 2**63 else 0, stored_model(db, model_id)[0]),
    ).fetchone()
    if row is None:
        raise not_found(item_id)
    content_hash, checksum, blob = row
    if checksum != embedding_checksum(content_hash, model_id, blob):
        raise damaged_item(item_id, "its embedding does not match its checksum")
    return np.frombuffer(blob, dtype="<f4")


def missing(db: Connection, model_id: str, limit: int, *, after_id: int) -> list[Item]:
    """Items without an embedding of the model, in the order of their ids."""
    rows = db.execute(
        f"SELECT {ITEM_COLUMNS} FROM items WHERE removed_at IS NULL AND item_id > ? AND NOT EXISTS ("
        " SELECT 1 FROM embeddings WHERE embeddings.item_id = items.item_id AND model_no = ?) ORDER BY items.item_id LIMIT ?",
        (after_id, stored_model(db, model_id)[0], max(0, limit)),
    ).fetchall()
    return [item_of(row) for row in rows]


def models(db: Connection) -> dict[str, int]:
    """Each model that has embeddings here, with how many items of the collection it covers."""
    # Removed items are few and have their own index: counting them apart saves looking up every item.
    return dict(
        db.execute(
            "SELECT model_id, (SELECT COUNT(*) FROM embeddings WHERE embeddings.model_no = models.model_no)"
            " - (SELECT COUNT(*) FROM items CROSS JOIN embeddings USING (item_id)"
            " WHERE items.removed_at IS NOT NULL AND embeddings.model_no = models.model_no)"
            " FROM models ORDER BY model_no"
        ).fetchall()
    )


def drop_model(db: Connection, model_id: str) -> None:
    """Delete a model with its embeddings."""
    db.execute("DELETE FROM models WHERE model_id = ?", (model_id,))


def drop_of_item(db: Connection, item_id: int, model_ids: Collection[str]) -> None:
    """Delete an item's embeddings of some models, to be made again; the indexes of the others keep the item."""
    numbers = [number for number, _ in (stored_model(db, model_id) for model_id in model_ids) if number]
    if numbers:
        db.executemany("DELETE FROM embeddings WHERE item_id = ? AND model_no = ?", [(item_id, number) for number in numbers])
        db.execute("INSERT OR REPLACE INTO removals (item_id) VALUES (?)", (item_id,))
        announce_again(db, item_id)
