"""The feeds that keep indexes up to date (`store.changes`): one over the embeddings of images, one over those of texts."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from crossmodal.errors import StoreError
from crossmodal.store.checksums import embedding_checksum, unit_rows
from crossmodal.store.database import Connection, Database
from crossmodal.store.rows import Row, damaged_item

Feed = Literal["images", "texts"]
"""Which embeddings: those of items' images, with ids of items, or those of their texts, with ids of texts."""

_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened to one model's embeddings since a position in the feed. Apply the removals first, then the additions.

    Attributes:
        item_ids: (n,) int64, new or replaced, in the order they were written; ids of texts in the feed "texts".
        embeddings: (n, embed_dim) float32, row i belongs to `item_ids[i]`.
        removed_ids: (m,) int64, some of which a reader may never have seen.
        seq, removal_seq: the position to ask from next time.
        mark, removal_mark: what is at `seq` and at `removal_seq`, as `ChangeFeeds.mark` and `ChangeFeeds.removal_mark` return.
    """

    item_ids: npt.NDArray[np.int64] = field(repr=False)
    embeddings: npt.NDArray[np.float32] = field(repr=False)
    removed_ids: npt.NDArray[np.int64] = field(repr=False)
    seq: int
    removal_seq: int
    mark: str
    removal_mark: str


class _Tables(NamedTuple):
    """Where a kind of embeddings is stored. Every row has a `seq`; whatever is new or replaced has a higher one.

    Attributes:
        table: embeddings with their `seq`; `removals` the ids that readers must drop.
        columns: id, what the checksum binds the embedding to, checksum, embedding; joined in the order in which the loops run.
        alive: whether a row is in the collection at present.
        count_removed: how many embeddings of a model belong to what is not in the collection at present.
    """

    table: str
    removals: str
    id_column: str
    columns: str
    alive: str
    count_removed: str


# CROSS JOIN keeps the order of the loops as written: along the feed, each row checked against what it belongs to. What is removed is
# little, and has its own index: counting it apart saves looking up every row.
_TABLES: dict[Feed, _Tables] = {
    "images": _Tables(
        table="embeddings",
        removals="removals",
        id_column="item_id",
        columns="embeddings.item_id, items.content_hash, embeddings.checksum, embeddings.embedding"
        " FROM embeddings INDEXED BY embeddings_by_model CROSS JOIN items USING (item_id)",
        alive="items.removed_at IS NULL",
        count_removed="SELECT COUNT(*) FROM items CROSS JOIN embeddings USING (item_id)"
        " WHERE removed_at IS NOT NULL AND model_no = ?",
    ),
    "texts": _Tables(
        table="text_embeddings",
        removals="text_removals",
        id_column="text_id",
        columns="text_embeddings.text_id, texts.text, text_embeddings.checksum, text_embeddings.embedding"
        " FROM text_embeddings INDEXED BY text_embeddings_by_model CROSS JOIN texts USING (text_id)",
        alive="NOT EXISTS (SELECT 1 FROM text_removals WHERE text_removals.text_id = text_embeddings.text_id)",
        count_removed="SELECT COUNT(*) FROM text_removals CROSS JOIN text_embeddings USING (text_id) WHERE model_no = ?",
    ),
}


class ChangeFeeds:
    """What was added, replaced and removed, in the order in which it was committed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def since(self, model_id: str, *, after_seq: int = 0, after_removal: int = 0, feed: Feed = "images") -> Changes:
        """What happened to a model's embeddings after a position of the feed; from 0 and 0, everything there is.

        Raises:
            StoreError: `index_corrupt`, an embedding is not what was written; the message names its item or text.
        """
        tables = _TABLES[feed]
        with self._database.reading() as db:
            number, embed_dim = stored_model(db, model_id)
            sql = f"SELECT {tables.id_column}, seq FROM {tables.removals} WHERE seq > ? ORDER BY seq"
            removals = db.execute(sql, (after_removal,)).fetchall()
            # Two statements, each answered at the end of the index: one would walk through all of it at every refresh.
            sql = f"SELECT seq FROM {tables.table} WHERE model_no = ? ORDER BY seq DESC LIMIT 1"
            newest = db.execute(sql, (number,)).fetchone()
            sql = f"SELECT COUNT(*) FROM {tables.table} WHERE model_no = ? AND seq > ?"
            (count,) = db.execute(sql, (number, after_seq)).fetchone()
            seq = newest[0] if newest else 0
            removal_seq = removals[-1][1] if removals else after_removal
            ids = np.empty(count, dtype=np.int64)
            rows = np.empty((count, embed_dim), dtype=np.float32)
            filled = 0
            sql = f"SELECT {_along(tables)} AND {tables.alive} ORDER BY {tables.table}.seq"
            cursor = db.execute(sql, (number, after_seq))
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
                mark=_mark(db, tables, model_id, seq),
                removal_mark=_removal_mark(db, tables, removal_seq),
            )

    def mark(self, model_id: str, seq: int, *, feed: Feed = "images") -> str:
        """The checksum, in hex, of the model's embedding at `seq`; empty when there is none.

        A cache compares it to find out that it was made from another past of the collection, such as before a backup was restored.
        """
        with self._database.reading() as db:
            return _mark(db, _TABLES[feed], model_id, seq)

    def removal_mark(self, removal_seq: int, *, feed: Feed = "images") -> str:
        """The last removal up to `removal_seq` as text; empty when there is none. See `mark`."""
        with self._database.reading() as db:
            return _removal_mark(db, _TABLES[feed], removal_seq)

    def count(self, model_id: str, *, feed: Feed = "images") -> int:
        """How many embeddings of the model a complete index over the feed holds."""
        tables = _TABLES[feed]
        with self._database.reading() as db:
            number, _ = stored_model(db, model_id)
            (total,) = db.execute(f"SELECT COUNT(*) FROM {tables.table} WHERE model_no = ?", (number,)).fetchone()
            return int(total - db.execute(tables.count_removed, (number,)).fetchone()[0])

    def drop_damaged(self, model_id: str, *, feed: Feed = "images") -> list[int]:
        """Delete the model's embeddings that fail their checksum, so that they can be made again; returns the ids of their items
        (or texts), which are then listed as lacking one."""
        tables = _TABLES[feed]
        with self._database.writing() as db:
            number, _ = stored_model(db, model_id)
            rows = db.execute(f"SELECT {tables.table}.seq, {_along(tables)}", (number, 0))
            bad = [(row[0], row[1]) for row in rows if row[3] != embedding_checksum(row[2], model_id, row[4])]
            db.executemany(f"DELETE FROM {tables.table} WHERE seq = ?", [(seq,) for seq, _ in bad])
            return [row_id for _, row_id in bad]


def stored_model(db: Connection, model_id: str) -> tuple[int, int]:
    """Number and embedding length of a model; zeros when it has nothing here."""
    row = db.execute("SELECT model_no, embed_dim FROM models WHERE model_id = ?", (model_id,)).fetchone()
    return (0, 0) if row is None else (int(row[0]), int(row[1]))


def _mark(db: Connection, tables: _Tables, model_id: str, seq: int) -> str:
    sql = f"SELECT checksum FROM {tables.table} JOIN models USING (model_no) WHERE seq = ? AND model_id = ?"
    row = db.execute(sql, (seq, model_id)).fetchone()
    return row[0].hex() if row else ""


def _removal_mark(db: Connection, tables: _Tables, removal_seq: int) -> str:
    sql = f"SELECT seq, {tables.id_column} FROM {tables.removals} WHERE seq <= ? ORDER BY seq DESC LIMIT 1"
    row = db.execute(sql, (removal_seq,)).fetchone()
    return "{} {}".format(*row) if row else ""


def _along(tables: _Tables) -> str:
    return f"{tables.columns} WHERE {tables.table}.model_no = ? AND {tables.table}.seq > ?"


def _verified(batch: list[Row], feed: Feed, model_id: str, embed_dim: int) -> npt.NDArray[np.float32]:
    """(n, embed_dim) of length 1, each row proved to be what was written for its picture or text."""
    for row_id, bound_to, checksum, blob in batch:
        if checksum != embedding_checksum(bound_to, model_id, blob) or len(blob) != 4 * embed_dim:
            raise damaged_item(row_id, "its embedding does not match its checksum") if feed == "images" else _damaged_text(row_id)
    # Earlier versions stored vectors from elsewhere as they came, and with them lengths that are a little off.
    return unit_rows(np.frombuffer(b"".join([row[3] for row in batch]), dtype="<f4").reshape(len(batch), embed_dim))


def _damaged_text(text_id: int) -> StoreError:
    return StoreError(
        "index_corrupt",
        f"Text {text_id} of the collection is damaged: its embedding does not match its checksum.",
        remedy="Start the program again: it is made anew.",
    )
