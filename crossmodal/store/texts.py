"""The texts of items: each different text once, whoever says it, with its embeddings."""

import json
from collections.abc import Iterable, Mapping, Sequence

from crossmodal.items import Embedding
from crossmodal.store.changes import stored_model
from crossmodal.store.checksums import embedding_blob, embedding_checksum
from crossmodal.store.connections import Connection
from crossmodal.store.embeddings import model_no
from crossmodal.store.items import id_list, storable

TextEmbeddings = Mapping[str, Mapping[str, Embedding]]
"""Model id → text → its embedding, (embed_dim,) float32 of length 1."""


def put(db: Connection, item_id: int, texts: Sequence[str]) -> None:
    """Make these the texts of an item, in this order; what nobody says any more is forgotten with its embeddings."""
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
        if new is None or away:  # a new text of an item that is there needs no announcement but its embedding's
            touched.append(text_id)
    settle(db, touched)


def of_items(db: Connection, item_ids: Sequence[int]) -> list[int]:
    """Ids of the texts that these items say."""
    sql = "SELECT DISTINCT text_id FROM item_texts WHERE item_id IN (SELECT value FROM json_each(?))"
    return [text_id for (text_id,) in db.execute(sql, (id_list(item_ids),))]


def settle(db: Connection, text_ids: Sequence[int]) -> None:
    """After items that say these texts came, went or changed: tell the readers of the feed which texts are there.

    A text that only removed items say is taken out of every index and comes back with them; one that no item says is deleted.
    """
    if not text_ids:
        return
    ids = (id_list(text_ids),)
    among = "text_id IN (SELECT value FROM json_each(?))"
    said = "EXISTS (SELECT 1 FROM item_texts WHERE item_texts.text_id = texts.text_id)"
    heard = (
        "EXISTS (SELECT 1 FROM item_texts CROSS JOIN items USING (item_id)"
        " WHERE item_texts.text_id = texts.text_id AND items.removed_at IS NULL)"
    )
    db.execute(f"INSERT OR IGNORE INTO text_removals (text_id) SELECT text_id FROM texts WHERE {among} AND NOT {heard}", ids)
    db.execute(f"DELETE FROM texts WHERE {among} AND NOT {said}", ids)
    back = db.execute(
        f"DELETE FROM text_removals WHERE {among} AND text_id IN (SELECT text_id FROM texts WHERE {among} AND {heard})"
        " RETURNING text_id",
        ids * 2,
    ).fetchall()
    for (text_id,) in back:
        sql = "SELECT text_id, model_no, checksum, embedding FROM text_embeddings WHERE text_id = ?"
        rows = db.execute(sql, (text_id,)).fetchall()
        db.executemany("INSERT OR REPLACE INTO text_embeddings (text_id, model_no, checksum, embedding) VALUES (?, ?, ?, ?)", rows)


def add_embeddings(db: Connection, embeddings: TextEmbeddings) -> int:
    """Store embeddings of texts that items say and that have none of the model yet; returns how many were stored."""
    stored = 0
    for model_id, rows in embeddings.items():
        model: tuple[int, int] | None = None
        for text, embedding in rows.items():
            said = storable(text)
            row = db.execute("SELECT text_id FROM texts WHERE text = ?", (said,)).fetchone()
            if row is None:
                continue
            model = model or model_no(db, model_id, embedding=embedding)
            blob = embedding_blob(embedding, key=text[:80], embed_dim=model[1])
            stored += db.execute(
                "INSERT INTO text_embeddings (text_id, model_no, checksum, embedding) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (row[0], model[0], embedding_checksum(said, model_id, blob), blob),
            ).rowcount
    return stored


def embedded(db: Connection, texts: Iterable[str], model_id: str) -> set[str]:
    """Those of the texts that have an embedding of the model."""
    wanted = {storable(text): text for text in texts}
    rows = db.execute(
        "SELECT text FROM texts JOIN text_embeddings USING (text_id)"
        " WHERE text IN (SELECT value FROM json_each(?)) AND model_no = ?",
        (json.dumps(list(wanted)), stored_model(db, model_id)[0]),
    ).fetchall()
    return {wanted[text] for (text,) in rows}


def missing(db: Connection, model_id: str, limit: int, *, after_id: int) -> list[tuple[int, str]]:
    """Up to `limit` texts beyond the id `after_id` that items say and that lack an embedding of the model, with their ids."""
    return db.execute(
        "SELECT text_id, text FROM texts WHERE text_id > ? AND NOT EXISTS ("
        " SELECT 1 FROM text_embeddings WHERE text_embeddings.text_id = texts.text_id AND model_no = ?)"
        " AND text_id NOT IN (SELECT text_id FROM text_removals) ORDER BY text_id LIMIT ?",
        (after_id, stored_model(db, model_id)[0], max(0, limit)),
    ).fetchall()


def items_with_text(db: Connection, text_ids: Sequence[int]) -> dict[int, tuple[str, int]]:
    """Each text, by its id, with the oldest item that says it; texts that no item says at present are left out."""
    rows = db.execute(
        "SELECT text_id, text, MIN(item_id) FROM texts JOIN item_texts USING (text_id) JOIN items USING (item_id)"
        " WHERE text_id IN (SELECT value FROM json_each(?)) AND removed_at IS NULL GROUP BY text_id",
        (id_list(text_ids),),
    ).fetchall()
    return {text_id: (text, item_id) for text_id, text, item_id in rows}
