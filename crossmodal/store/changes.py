"""The feeds of changes that keep indexes in step: one over the embeddings of pictures, one over those of texts."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from crossmodal.errors import StoreError
from crossmodal.store.checksums import embedding_checksum, unit_rows
from crossmodal.store.connections import Connection
from crossmodal.store.items import Row, damaged_item
from crossmodal.store.records import Changes

_ROWS_AT_ONCE = 4096


class Feed(NamedTuple):
    """Where a kind of embeddings lies. Every row has a `seq`; whatever is new or replaced has a higher one.

    Attributes:
        noun: what an id of this feed belongs to.
        table: embeddings with their `seq`; `removals` the ids that readers must drop.
        columns: id, what the checksum binds the embedding to, checksum, embedding; joined in the order in which the loops run.
        alive: whether a row is in the collection at present.
    """

    noun: str
    table: str
    removals: str
    id_column: str
    columns: str
    alive: str


# CROSS JOIN keeps the order of the loops as written: along the feed, each row checked against what it belongs to.
PICTURES = Feed(
    noun="item",
    table="embeddings",
    removals="removals",
    id_column="item_id",
    columns="embeddings.item_id, items.content_hash, embeddings.checksum, embeddings.embedding"
    " FROM embeddings INDEXED BY embeddings_by_model CROSS JOIN items USING (item_id)",
    alive="items.removed_at IS NULL",
)
TEXTS = Feed(
    noun="text",
    table="text_embeddings",
    removals="text_removals",
    id_column="text_id",
    columns="text_embeddings.text_id, texts.text, text_embeddings.checksum, text_embeddings.embedding"
    " FROM text_embeddings INDEXED BY text_embeddings_by_model CROSS JOIN texts USING (text_id)",
    alive="NOT EXISTS (SELECT 1 FROM text_removals WHERE text_removals.text_id = text_embeddings.text_id)",
)


def changes(db: Connection, feed: Feed, model_id: str, *, after_seq: int, after_removal: int) -> Changes:
    """What happened to a model's embeddings after a position (0 and 0 for everything).

    Raises:
        StoreError: `index_corrupt`, an embedding is not what was written; the message names its item or text.
    """
    number, embed_dim = stored_model(db, model_id)
    sql = f"SELECT {feed.id_column}, seq FROM {feed.removals} WHERE seq > ? ORDER BY seq"
    removals = db.execute(sql, (after_removal,)).fetchall()
    # Two questions, each answered at the end of the index: one would walk through all of it at every refresh.
    newest = db.execute(f"SELECT seq FROM {feed.table} WHERE model_no = ? ORDER BY seq DESC LIMIT 1", (number,)).fetchone()
    sql = f"SELECT COUNT(*) FROM {feed.table} WHERE model_no = ? AND seq > ?"
    (count,) = db.execute(sql, (number, after_seq)).fetchone()
    seq = newest[0] if newest else 0
    removal_seq = removals[-1][1] if removals else after_removal
    ids = np.empty(count, dtype=np.int64)
    rows = np.empty((count, embed_dim), dtype=np.float32)
    filled = 0
    cursor = db.execute(f"SELECT {_along(feed)} AND {feed.alive} ORDER BY {feed.table}.seq", (number, after_seq))
    while batch := cursor.fetchmany(_ROWS_AT_ONCE):
        end = filled + len(batch)
        ids[filled:end] = [row[0] for row in batch]
        rows[filled:end] = _verified(batch, feed, model_id, embed_dim)
        filled = end
    return Changes(
        item_ids=ids[:filled],
        embeddings=rows[:filled],
        removed_ids=np.array([row_id for row_id, _ in removals], dtype=np.int64),
        seq=seq,
        removal_seq=removal_seq,
        mark=mark(db, feed, model_id, seq),
        removal_mark=removal_mark(db, feed, removal_seq),
    )


def mark(db: Connection, feed: Feed, model_id: str, seq: int) -> str:
    """The checksum, in hex, of the model's embedding at `seq`; empty when there is none."""
    sql = f"SELECT checksum FROM {feed.table} JOIN models USING (model_no) WHERE seq = ? AND model_id = ?"
    row = db.execute(sql, (seq, model_id)).fetchone()
    return row[0].hex() if row else ""


def removal_mark(db: Connection, feed: Feed, removal_seq: int) -> str:
    """The last removal up to `removal_seq`, in words; empty when there is none."""
    sql = f"SELECT seq, {feed.id_column} FROM {feed.removals} WHERE seq <= ? ORDER BY seq DESC LIMIT 1"
    row = db.execute(sql, (removal_seq,)).fetchone()
    return "{} {}".format(*row) if row else ""


def count(db: Connection, feed: Feed, model_id: str) -> int:
    """How many embeddings of the model an index over the feed holds."""
    number, _ = stored_model(db, model_id)
    (total,) = db.execute(f"SELECT COUNT(*) FROM {feed.table} WHERE model_no = ?", (number,)).fetchone()
    # What is not alive is little, and has its own index: counting it apart saves looking up every row.
    away = (
        "SELECT COUNT(*) FROM items CROSS JOIN embeddings USING (item_id) WHERE removed_at IS NOT NULL AND model_no = ?"
        if feed is PICTURES
        else "SELECT COUNT(*) FROM text_removals CROSS JOIN text_embeddings USING (text_id) WHERE model_no = ?"
    )
    return int(total - db.execute(away, (number,)).fetchone()[0])


def drop_damaged(db: Connection, feed: Feed, model_id: str) -> list[int]:
    """Delete the model's embeddings that fail their checksum, so that they can be made again; returns their ids."""
    number, _ = stored_model(db, model_id)
    rows = db.execute(f"SELECT {feed.table}.seq, {_along(feed)}", (number, 0))
    bad = [(row[0], row[1]) for row in rows if row[3] != embedding_checksum(row[2], model_id, row[4])]
    db.executemany(f"DELETE FROM {feed.table} WHERE seq = ?", [(seq,) for seq, _ in bad])
    return [row_id for _, row_id in bad]


def stored_model(db: Connection, model_id: str) -> tuple[int, int]:
    """Number and embedding length of a model; zeros when it has nothing here."""
    row = db.execute("SELECT model_no, embed_dim FROM models WHERE model_id = ?", (model_id,)).fetchone()
    return (0, 0) if row is None else (int(row[0]), int(row[1]))


def _along(feed: Feed) -> str:
    return f"{feed.columns} WHERE {feed.table}.model_no = ? AND {feed.table}.seq > ?"


def _verified(batch: list[Row], feed: Feed, model_id: str, embed_dim: int) -> npt.NDArray[np.float32]:
    """(n, embed_dim) of length 1, each row proved to be what was written for its picture or text."""
    for row_id, bound_to, checksum, blob in batch:
        if checksum != embedding_checksum(bound_to, model_id, blob) or len(blob) != 4 * embed_dim:
            raise damaged_item(row_id, "its embedding does not match its checksum") if feed is PICTURES else _damaged_text(row_id)
    # Earlier versions stored vectors from elsewhere as they came, and with them lengths that are a little off.
    return unit_rows(np.frombuffer(b"".join([row[3] for row in batch]), dtype="<f4").reshape(len(batch), embed_dim))


def _damaged_text(text_id: int) -> StoreError:
    return StoreError(
        "index_corrupt",
        f"Text {text_id} of the collection is damaged: its embedding does not match its checksum.",
        remedy="Start the program again: it is made anew.",
    )
