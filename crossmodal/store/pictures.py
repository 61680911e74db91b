"""Pictures in the database: one row for each different file, however many items show it."""

from crossmodal.items import Item, Picture
from crossmodal.store import items
from crossmodal.store.checksums import picture_checksum
from crossmodal.store.connections import Connection
from crossmodal.store.items import damaged_item, not_found


def write(db: Connection, picture: Picture) -> None:
    """Store the picture, or mend the stored one where it differs."""
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


def thumbnail(db: Connection, item_id: int) -> bytes:
    """The small JPEG of an item; the rendition where that is small enough itself.

    Raises:
        QueryError: `not_found`.
        StoreError: `index_corrupt`, the stored bytes are not what was written.
    """
    content_hash, checksum, jpeg = _columns(db, item_id, "thumbnail")
    return rendition(db, item_id) if checksum is None else _verified(item_id, content_hash, checksum, jpeg)


def rendition(db: Connection, item_id: int) -> bytes:
    """The large JPEG of an item; raises like `thumbnail`."""
    return _verified(item_id, *_columns(db, item_id, "rendition"))


def samples(db: Connection, limit: int, *, after_id: int | None, source: str | None) -> list[tuple[Item, bytes]]:
    """A page of items, each with its rendition; raises like `thumbnail`."""
    page = items.page(db, limit, after_id=after_id, source=source, newest_first=False)
    return [(item, rendition(db, item.item_id)) for item in page]


def drop_unused(db: Connection, content_hash: str) -> None:
    """Delete the picture when no item shows it any more."""
    db.execute(
        "DELETE FROM pictures WHERE content_hash = ?"
        " AND NOT EXISTS (SELECT 1 FROM items WHERE items.content_hash = pictures.content_hash)",
        (content_hash,),
    )


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
