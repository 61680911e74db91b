"""The texts of items (`store.texts`): each different text once, however many items have it, with its embeddings."""

import json
from collections.abc import Iterable, Mapping, Sequence

from crossmodal.items import Embedding
from crossmodal.store.changes import stored_model
from crossmodal.store.checksums import embedding_blob, embedding_checksum
from crossmodal.store.database import Connection, Database
from crossmodal.store.embeddings import model_no
from crossmodal.store.rows import id_list, storable

TextEmbeddings = Mapping[str, Mapping[str, Embedding]]
"""Model id → text → its embedding, (embed_dim,) float32 of length 1."""


class Texts:
    """What items say: each item's captions, or its title where it has none."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self) -> int:
        """How many texts describe items, item by item; blank texts, and repeated ones of an item, do not count."""
        # Removed items are few and have their own index: counting theirs apart saves looking up every item.
        removed = "SELECT COUNT(*) FROM items CROSS JOIN item_texts USING (item_id) WHERE items.removed_at IS NOT NULL"
        with self._database.reading() as db:
            return int(db.execute(f"SELECT (SELECT COUNT(*) FROM item_texts) - ({removed})").fetchone()[0])

    def ids_of_item(self, item_id: int) -> list[int]:
        """Ids of the texts of an item; empty for an unknown item."""
        with self._database.reading() as db:
            return of_items(db, [item_id])

    def items_with_text(self, text_ids: Sequence[int]) -> dict[int, tuple[str, int]]:
        """Each text, by its id, with the id of the oldest item that has it; texts that no item has at present are left out."""
        with self._database.reading() as db:
            rows = db.execute(
                "SELECT text_id, text, MIN(item_id) FROM texts JOIN item_texts USING (text_id) JOIN items USING (item_id)"
                " WHERE text_id IN (SELECT value FROM json_each(?)) AND removed_at IS NULL GROUP BY text_id",
                (id_list(text_ids),),
            ).fetchall()
        return {text_id: (text, item_id) for text_id, text, item_id in rows}

    def embedded(self, texts: Iterable[str], model_id: str) -> set[str]:
        """Those of the texts that have an embedding of the model."""
        wanted = {storable(text): text for text in texts}
        with self._database.reading() as db:
            rows = db.execute(
                "SELECT text FROM texts JOIN text_embeddings USING (text_id)"
                " WHERE text IN (SELECT value FROM json_each(?)) AND model_no = ?",
                (json.dumps(list(wanted)), stored_model(db, model_id)[0]),
            ).fetchall()
        return {wanted[text] for (text,) in rows}

    def missing(self, model_id: str, limit: int, *, after_id: int = 0) -> list[tuple[int, str]]:
        """Up to `limit` texts beyond the id `after_id` that lack an embedding of the model, with their ids, in the order of these."""
        with self._database.reading() as db:
            return db.execute(
                "SELECT text_id, text FROM texts WHERE text_id > ? AND NOT EXISTS ("
                " SELECT 1 FROM text_embeddings WHERE text_embeddings.text_id = texts.text_id AND model_no = ?)"
                " AND text_id NOT IN (SELECT text_id FROM text_removals) ORDER BY text_id LIMIT ?",
                (after_id, stored_model(db, model_id)[0], max(0, limit)),
            ).fetchall()

    def add_embeddings(self, text_embeddings: TextEmbeddings) -> int:
        """Store embeddings of texts of items, all or none; texts that no item has are passed over. Returns how many were stored."""
        with self._database.writing() as db:
            return add_embeddings(db, text_embeddings)


def put(db: Connection, item_id: int, texts: Sequence[str]) -> None:
    """Make these the texts of an item, in this order; a text that no item has any more is deleted with its embeddings."""
    wanted = list(dict.fromkeys(storable(text) for text in texts))
    former = db.execute(
        "SELECT text, text_id FROM item_texts JOIN texts USING (text_id) WHERE item_id = ? ORDER BY ordinal", (item_id,)
    ).fetchall()
    if [text for text, _ in former] == wanted:
        return
    db.execute("DELETE FROM item_texts WHERE item_id = ?", (item_id,))
    touched = [text_id for _, text_id in former]
    (away,) = db.execute("SELECT removed_at IS NOT NULL FROM items WHERE item_id = ?", (item_id,)).fetchone()
    for ordinal, text in enumerate(wanted):
        new = db.execute("INSERT INTO texts (text) VALUES (?) ON CONFLICT DO NOTHING RETURNING text_id", (text,)).fetchone()
        (text_id,) = new or db.execute("SELECT text_id FROM texts WHERE text = ?", (text,)).fetchone()
        db.execute("INSERT INTO item_texts (item_id, ordinal, text_id) VALUES (?, ?, ?)", (item_id, ordinal, text_id))
        if new is None or away:  # a new text of an item that is there is published by its embedding alone
            touched.append(text_id)
    publish(db, touched)


def of_items(db: Connection, item_ids: Sequence[int]) -> list[int]:
    """Ids of the texts that these items have."""
    sql = "SELECT DISTINCT text_id FROM item_texts WHERE item_id IN (SELECT value FROM json_each(?))"
    return [text_id for (text_id,) in db.execute(sql, (id_list(item_ids),))]


def publish(db: Connection, text_ids: Sequence[int]) -> None:
    """Update the feed after items with these texts were added, removed or changed.

    A text that only removed items have is taken out of every index and comes back with them; one that no item has is deleted.
    """
    if not text_ids:
        return
    ids = (id_list(text_ids),)
    among = "text_id IN (SELECT value FROM json_each(?))"
    used = "EXISTS (SELECT 1 FROM item_texts WHERE item_texts.text_id = texts.text_id)"
    visible = (
        "EXISTS (SELECT 1 FROM item_texts CROSS JOIN items USING (item_id)"
        " WHERE item_texts.text_id = texts.text_id AND items.removed_at IS NULL)"
    )
    db.execute(f"INSERT OR IGNORE INTO text_removals (text_id) SELECT text_id FROM texts WHERE {among} AND NOT {visible}", ids)
    db.execute(f"DELETE FROM texts WHERE {among} AND NOT {used}", ids)
    back = db.execute(
        f"DELETE FROM text_removals WHERE {among} AND text_id IN (SELECT text_id FROM texts WHERE {among} AND {visible})"
        " RETURNING text_id",
        ids * 2,
    ).fetchall()
    for (text_id,) in back:
        sql = "SELECT text_id, model_no, checksum, embedding FROM text_embeddings WHERE text_id = ?"
        rows = db.execute(sql, (text_id,)).fetchall()
        db.executemany("INSERT OR REPLACE INTO text_embeddings (text_id, model_no, checksum, embedding) VALUES (?, ?, ?, ?)", rows)


def add_embeddings(db: Connection, embeddings: TextEmbeddings) -> int:
    """Store embeddings of texts that items have and that have none of the model yet; returns how many were stored."""
    stored = 0
    for model_id, rows in embeddings.items():
        model: tuple[int, int] | None = None
        for text, embedding in rows.items():
            stored_text = storable(text)
            row = db.execute("SELECT text_id FROM texts WHERE text = ?", (stored_text,)).fetchone()
            if row is None:
                continue
            model = model or model_no(db, model_id, embedding=embedding)
            blob = embedding_blob(embedding, key=text[:80], embed_dim=model[1])
            stored += db.execute(
                "INSERT INTO text_embeddings (text_id, model_no, checksum, embedding) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (row[0], model[0], embedding_checksum(stored_text, model_id, blob), blob),
            ).rowcount
    return stored
