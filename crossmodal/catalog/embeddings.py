"""Embeddings in the database, model by model, and the feed of changes that keeps an index in step."""

import time
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from crossmodal.catalog.checksums import embedding_blob, embedding_checksum
from crossmodal.catalog.connections import Connection
from crossmodal.catalog.items import ITEM_COLUMNS, Row, damaged_item, item_of, not_found
from crossmodal.catalog.records import Changes
from crossmodal.items import Embedding, Item

_ROWS_AT_ONCE = 4096


def model_no(db: Connection, model_id: str, *, embedding: Embedding) -> tuple[int, int]:
    """The number and embedding length under which a model's embeddings are stored; the first embedding settles the length."""
    number, embed_dim = _stored_model(db, model_id)
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
        # The picture may have been replaced, or the item removed, since the caller read it.
        current = db.execute(
            "SELECT 1 FROM items WHERE item_id = ? AND content_hash = ? AND removed_at IS NULL", (item.item_id, item.content_hash)
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
        (content_hash, _stored_model(db, model_id)[0]),
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
        (item_id if 0 < item_id < 2**63 else 0, _stored_model(db, model_id)[0]),
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
        (after_id, _stored_model(db, model_id)[0], max(0, limit)),
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


def mark(db: Connection, model_id: str, seq: int) -> str:
    """The checksum, in hex, of the model's embedding at `seq`; empty when there is none."""
    row = db.execute(
        "SELECT checksum FROM embeddings JOIN models USING (model_no) WHERE seq = ? AND model_id = ?", (seq, model_id)
    ).fetchone()
    return row[0].hex() if row else ""


def drop_damaged(db: Connection, model_id: str) -> list[int]:
    """Delete the model's embeddings that fail their checksum, so that they can be made again; returns the items' ids."""
    number, _ = _stored_model(db, model_id)
    rows = db.execute(f"SELECT embeddings.seq, {_FEED}", (number, 0))
    bad = [(row[0], row[1]) for row in rows if row[3] != embedding_checksum(row[2], model_id, row[4])]
    db.executemany("DELETE FROM embeddings WHERE seq = ?", [(seq,) for seq, _ in bad])
    return [item_id for _, item_id in bad]


def changes(db: Connection, model_id: str, *, after_seq: int, after_removal: int) -> Changes:
    """What happened to the model's embeddings after a position (0 and 0 for everything).

    Raises:
        StoreError: `index_corrupt`, an embedding is not what was written; the message names its item.
    """
    number, embed_dim = _stored_model(db, model_id)
    removals = db.execute("SELECT item_id, seq FROM removals WHERE seq > ? ORDER BY seq", (after_removal,)).fetchall()
    # Two questions, each answered at the end of the index: one would walk through all of it at every refresh.
    newest = db.execute("SELECT seq FROM embeddings WHERE model_no = ? ORDER BY seq DESC LIMIT 1", (number,)).fetchone()
    (count,) = db.execute("SELECT COUNT(*) FROM embeddings WHERE model_no = ? AND seq > ?", (number, after_seq)).fetchone()
    seq = newest[0] if newest else 0
    item_ids = np.empty(count, dtype=np.int64)
    rows = np.empty((count, embed_dim), dtype=np.float32)
    filled = 0
    cursor = db.execute(f"SELECT {_FEED} AND items.removed_at IS NULL ORDER BY embeddings.seq", (number, after_seq))
    while batch := cursor.fetchmany(_ROWS_AT_ONCE):
        end = filled + len(batch)
        item_ids[filled:end] = [row[0] for row in batch]
        rows[filled:end] = _verified(batch, model_id, embed_dim)
        filled = end
    return Changes(
        item_ids=item_ids[:filled],
        embeddings=rows[:filled],
        removed_ids=np.array([item_id for item_id, _ in removals], dtype=np.int64),
        seq=seq,
        removal_seq=removals[-1][1] if removals else after_removal,
        mark=mark(db, model_id, seq),
    )


# CROSS JOIN keeps the order of the loops as written: along the feed, each row checked against the item it belongs to.
_FEED = (
    "embeddings.item_id, items.content_hash, embeddings.checksum, embeddings.embedding"
    " FROM embeddings INDEXED BY embeddings_by_model CROSS JOIN items USING (item_id)"
    " WHERE embeddings.model_no = ? AND embeddings.seq > ?"
)


def _stored_model(db: Connection, model_id: str) -> tuple[int, int]:
    """Number and embedding length of a model; zeros when it has nothing here."""
    row = db.execute("SELECT model_no, embed_dim FROM models WHERE model_id = ?", (model_id,)).fetchone()
    return (0, 0) if row is None else (int(row[0]), int(row[1]))


def _verified(batch: list[Row], model_id: str, embed_dim: int) -> npt.NDArray[np.float32]:
    """(n, embed_dim), each row proved to be what was written for its item's picture."""
    for item_id, content_hash, checksum, blob in batch:
        if checksum != embedding_checksum(content_hash, model_id, blob) or len(blob) != 4 * embed_dim:
            raise damaged_item(item_id, "its embedding does not match its checksum")
    return np.frombuffer(b"".join([row[3] for row in batch]), dtype="<f4").reshape(len(batch), embed_dim)
