"""Embeddings of items (`store.embeddings`), model by model: several models' are stored side by side and never mix."""

import time
from collections.abc import Collection, Iterable

import numpy as np

from crossmodal.items import Embedding, Item
from crossmodal.store.changes import stored_model
from crossmodal.store.checksums import embedding_blob, embedding_checksum
from crossmodal.store.database import Connection, Database
from crossmodal.store.rows import ITEM_COLUMNS, MAX_ID, damaged_item, item_of, not_found


class Embeddings:
    """One embedding an item and model, each bound to its image by a checksum."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, item_id: int, model_id: str) -> Embedding:
        """An item's embedding, (embed_dim,) float32 of length 1.

        Raises:
            QueryError: `not_found`, the item or its embedding of this model.
            StoreError: `index_corrupt`, it is not what was written.
        """
        with self._database.reading() as db:
            row = db.execute(
                "SELECT content_hash, checksum, embedding FROM items JOIN embeddings USING (item_id)"
                " WHERE item_id = ? AND model_no = ? AND removed_at IS NULL",
                (item_id if 0 < item_id <= MAX_ID else 0, stored_model(db, model_id)[0]),
            ).fetchone()
        if row is None:
            raise not_found(item_id)
        content_hash, checksum, blob = row
        if checksum != embedding_checksum(content_hash, model_id, blob):
            raise damaged_item(item_id, "its embedding does not match its checksum")
        return np.frombuffer(blob, dtype="<f4")

    def of_content(self, content_hash: str, model_id: str) -> Embedding | None:
        """The embedding, (embed_dim,) float32, that some item with this image has; None when there is no undamaged one."""
        with self._database.reading() as db:
            rows = db.execute(
                "SELECT checksum, embedding FROM items CROSS JOIN embeddings USING (item_id)"
                " WHERE content_hash = ? AND model_no = ? LIMIT 4",
                (content_hash, stored_model(db, model_id)[0]),
            ).fetchall()
        for checksum, blob in rows:
            if checksum == embedding_checksum(content_hash, model_id, blob):
                return np.frombuffer(blob, dtype="<f4")
        return None

    def missing(self, model_id: str, limit: int, *, after_id: int = 0) -> list[Item]:
        """Up to `limit` items beyond `after_id` that lack an embedding of the model, in the order of their ids."""
        with self._database.reading() as db:
            return items_without(db, model_id, limit, after_id=after_id)

    def add(self, model_id: str, pairs: Iterable[tuple[Item, Embedding]]) -> int:
        """Store embeddings of items that are here already, all or none; returns how many.

        Pairs whose item was removed, or has another image or title by now, are passed over. Raises like `Items.add_many`.
        """
        stored = 0
        model: tuple[int, int, str] | None = None
        with self._database.writing() as db:
            for item, embedding in pairs:
                # The image or the title may have been replaced, or the item removed, since the caller read it.
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


def items_without(db: Connection, model_id: str, limit: int, *, after_id: int = 0) -> list[Item]:
    """See `Embeddings.missing`."""
    rows = db.execute(
        f"SELECT {ITEM_COLUMNS} FROM items WHERE removed_at IS NULL AND item_id > ? AND NOT EXISTS ("
        " SELECT 1 FROM embeddings WHERE embeddings.item_id = items.item_id AND model_no = ?) ORDER BY items.item_id LIMIT ?",
        (after_id, stored_model(db, model_id)[0], max(0, limit)),
    ).fetchall()
    return [item_of(row) for row in rows]


def model_no(db: Connection, model_id: str, *, embedding: Embedding) -> tuple[int, int]:
    """The number and embedding length under which a model's embeddings are stored; the first embedding determines the length."""
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


def republish(db: Connection, item_id: int) -> None:
    """Give an item's embeddings, of every model, a new `seq`: readers of the feed see them again."""
    rows = db.execute("SELECT item_id, model_no, checksum, embedding FROM embeddings WHERE item_id = ?", (item_id,)).fetchall()
    db.executemany("INSERT OR REPLACE INTO embeddings (item_id, model_no, checksum, embedding) VALUES (?, ?, ?, ?)", rows)


def drop_of_item(db: Connection, item_id: int, model_ids: Collection[str]) -> None:
    """Delete an item's embeddings of some models, to be made again; the indexes of the others keep the item."""
    numbers = [number for number, _ in (stored_model(db, model_id) for model_id in model_ids) if number]
    if numbers:
        db.executemany("DELETE FROM embeddings WHERE item_id = ? AND model_no = ?", [(item_id, number) for number in numbers])
        db.execute("INSERT OR REPLACE INTO removals (item_id) VALUES (?)", (item_id,))
        republish(db, item_id)
