"""The stored pictures (`store.pictures`): one row for each different file, however many items show it."""

from collections.abc import Iterator

from crossmodal.items import Item, Picture
from crossmodal.store.checksums import picture_checksum
from crossmodal.store.database import Connection, Database
from crossmodal.store.rows import damaged_item, item_page, not_found


class Pictures:
    """The two JPEGs of each item, checked whenever they are read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def thumbnail(self, item_id: int) -> bytes:
        """The small JPEG of an item; the rendition where that is small enough itself.

        Raises:
            QueryError: `not_found`.
            StoreError: `index_corrupt`, the stored bytes are not what was written.
        """
        with self._database.reading() as db:
            content_hash, checksum, jpeg = _columns(db, item_id, "thumbnail")
            return _rendition(db, item_id) if checksum is None else _verified(item_id, content_hash, checksum, jpeg)

    def rendition(self, item_id: int) -> bytes:
        """The large JPEG of an item; raises like `thumbnail`."""
        with self._database.reading() as db:
            return _rendition(db, item_id)

    def samples(self, *, source: str | None = None, batch_size: int = 64) -> Iterator[tuple[Item, bytes]]:
        """Every item with its rendition, in the order of the ids, for training; raises like `thumbnail`.

        Read in batches: a reader that held one snapshot for a whole training would keep the write-ahead log from shrinking. Items
        added meanwhile are included, items removed meanwhile are left out.
        """
        after_id: int | None = None
        while True:
            with self._database.reading() as db:
                page = item_page(db, batch_size, after_id=after_id, source=source)
                batch = [(item, _rendition(db, item.item_id)) for item in page]
            if not batch:
                return
            yield from batch
            after_id = batch[-1][0].item_id


def write(db: Connection, picture: Picture) -> None:
    """Store the picture, or repair the stored one where it differs."""
    # Small pictures often have one JPEG for both; it is stored once.
    thumbnail = None if picture.thumbnail == picture.rendition else picture.thumbnail
    db.execute(
        "INSERT INTO pictures (content_hash, thumbnail_checksum, rendition_checksum, thumbnail, rendition) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (content_hash) DO UPDATE SET thumbnail_checksum = excluded.thumbnail_checksum,"
        " rendition_checksum = excluded.rendition_checksum, thumbnail = excluded.thumbnail, rendition = excluded.rendition"
        " WHERE rendition IS NOT excluded.rendition OR thumbnail IS NOT excluded.thumbnail"
        " OR rendition_checksum IS NOT excluded.rendition_checksum OR thumbnail_checksum IS NOT excluded.thumbnail_checksum",
        (
            picture.content_hash,
            None if thumbnail is None else picture_checksum(picture.content_hash, thumbnail),
            picture_checksum(picture.content_hash, picture.rendition),
            thumbnail,
            picture.rendition,
        ),
    )


def drop_unused(db: Connection, content_hash: str) -> None:
    """Delete the picture when no item shows it any more."""
    db.execute(
        "DELETE FROM pictures WHERE content_hash = ?"
        " AND NOT EXISTS (SELECT 1 FROM items WHERE items.content_hash = pictures.content_hash)",
        (content_hash,),
    )


def _rendition(db: Connection, item_id: int) -> bytes:
    return _verified(item_id, *_columns(db, item_id, "rendition"))


def _columns(db: Connection, item_id: int, name: str) -> tuple[str, bytes | None, bytes | None]:
    row = db.execute(
        f"SELECT content_hash, {name}_checksum, {name} FROM items JOIN pictures USING (content_hash)"
        " WHERE item_id = ? AND removed_at IS NULL",
        (item_id if 0 < item_id < 2**63 else 0,),
    ).fetchone()
    if row is None:
        raise not_found(item_id)
    content_hash, checksum, jpeg = row
    return content_hash, checksum, jpeg


def _verified(item_id: int, content_hash: str, checksum: bytes | None, jpeg: bytes | None) -> bytes:
    if jpeg is None or checksum != picture_checksum(content_hash, jpeg):
        raise damaged_item(item_id, "its picture does not match its checksum")
    return jpeg
