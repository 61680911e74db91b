"""Removing items, bringing them back, and forgetting them for good."""

import time
from collections.abc import Sequence

from crossmodal.store import embeddings, pictures, texts
from crossmodal.store.database import Connection
from crossmodal.store.rows import id_list


def remove(db: Connection, item_ids: Sequence[int], *, vanished: bool = False) -> list[int]:
    """Take items out of the collection; picture and embedding stay until they are purged. Returns the ids that were there.

    `vanished` ones went with their row and come back with it; the others were removed by a person.
    """
    rows = db.execute(
        "UPDATE items SET removed_at = ?, vanished = ?"
        " WHERE item_id IN (SELECT value FROM json_each(?)) AND removed_at IS NULL RETURNING item_id",
        (time.time(), vanished, id_list(item_ids)),
    ).fetchall()
    removed = [item_id for (item_id,) in rows]
    record_removal(db, removed)
    texts.publish(db, texts.of_items(db, removed))
    return removed


def record_removal(db: Connection, item_ids: Sequence[int]) -> None:
    """Record for the readers of the feed that these items leave every model's index."""
    # One row an item, so that the table never outgrows the collection.
    db.executemany("INSERT OR REPLACE INTO removals (item_id) VALUES (?)", [(item_id,) for item_id in item_ids])


def restore(db: Connection, item_ids: Sequence[int]) -> list[int]:
    """Bring removed items back with everything they had; returns the ids that came back."""
    rows = db.execute(
        "UPDATE items SET removed_at = NULL, vanished = 0"
        " WHERE item_id IN (SELECT value FROM json_each(?)) AND removed_at IS NOT NULL RETURNING item_id",
        (id_list(item_ids),),
    ).fetchall()
    restored = [item_id for (item_id,) in rows]
    for item_id in restored:
        embeddings.republish(db, item_id)
    texts.publish(db, texts.of_items(db, restored))
    return restored


def purge(db: Connection, *, older_than_s: float) -> int:
    """Delete items removed at least `older_than_s` ago, with pictures nothing else shows. Returns how many.

    Of what a person removed, the keys and images that a source may bring again are recorded: it stays away.
    """
    before = time.time() - older_than_s
    db.execute(
        "INSERT OR REPLACE INTO refused (key, catalogue, content_hash)"
        " SELECT row.key, row.catalogue, row.content_hash FROM items JOIN item_sources AS row USING (item_id)"
        " WHERE removed_at <= ? AND vanished = 0 AND row.catalogue IN (SELECT name FROM catalogues)",
        (before,),
    )
    text_ids = texts.of_items(
        db, [item_id for (item_id,) in db.execute("SELECT item_id FROM items WHERE removed_at <= ?", (before,))]
    )
    rows = db.execute("DELETE FROM items WHERE removed_at <= ? RETURNING content_hash", (before,)).fetchall()
    texts.publish(db, text_ids)
    for content_hash in {content_hash for (content_hash,) in rows}:
        pictures.drop_unused(db, content_hash)
    return len(rows)
