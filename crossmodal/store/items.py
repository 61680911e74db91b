"""The items of the collection (`store.items`)."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from crossmodal.errors import StoreError
from crossmodal.filters import Filter
from crossmodal.items import Embedding, Item, ItemSource, NewItem
from crossmodal.store import item_sources, removal, rows, writing
from crossmodal.store.database import Database
from crossmodal.store.filters import condition
from crossmodal.store.item_sources import ItemTexts
from crossmodal.store.rows import IS_OF_SOURCE, ITEM_COLUMNS, ITEM_WIDTH, MAX_ID, item_of, storable
from crossmodal.store.texts import TextEmbeddings


@dataclass(frozen=True, slots=True)
class Known:
    """What the store holds under a key.

    Attributes:
        item: as stored, also when it is removed.
        row: of the source, with its own words.
        removed: it was removed; writing the key again brings it back.
        vanished: it was removed because its row vanished, not by a person.
        embedded: it has an embedding of the model that was named; False where none was.
    """

    item: Item
    row: ItemSource
    removed: bool
    vanished: bool
    embedded: bool


class Items:
    """Adding, changing, reading and removing items. An id is never used twice."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # Adding and changing

    def add(
        self,
        entry: NewItem,
        *,
        model_id: str,
        other_embeddings: Mapping[str, Embedding] | None = None,
        text_embeddings: TextEmbeddings | None = None,
        title_models: Collection[str] = (),
    ) -> tuple[Item, bool]:
        """Write one item. Returns it as stored, and whether it is new: an item with the same picture may have been joined.

        Args:
            other_embeddings: its embedding of each further model, by model id. See `add_many` for the rest.

        Raises:
            StoreError: `bad_request`, a person removed it from another source for good; items added by hand are never refused.
        """
        rows_of = {name: [embedding] for name, embedding in (other_embeddings or {}).items()}
        with self._database.writing() as db:
            [(item, created)] = writing.add(
                db,
                [entry],
                model_id=model_id,
                other_embeddings=rows_of,
                text_embeddings=text_embeddings,
                title_models=title_models,
            )
        if item is None:
            raise StoreError("bad_request", f"The picture of {entry.key!r:.80} was removed for good.", remedy="Add it by hand.")
        return item, created

    def add_many(
        self,
        entries: Sequence[NewItem],
        *,
        model_id: str,
        other_embeddings: Mapping[str, Sequence[Embedding]] | None = None,
        text_embeddings: TextEmbeddings | None = None,
        title_models: Collection[str] = (),
    ) -> list[Item]:
        """Write items in one transaction, all or none, with their embeddings of one model.

        A known key is brought up to date: its words always, its picture and embeddings when the content hash differs (embeddings
        of other models are then dropped). A removed key comes back. A new key whose picture an item of another source shows becomes a
        row of that item, and its words are joined; see `item_sources.matching_item`. Failures recorded under the keys are deleted.

        Args:
            other_embeddings: embeddings of other models, by model id, one for each entry.
            text_embeddings: embeddings of the entries' texts (`items.texts_of`); those already stored may be left out.
            title_models: see `update_texts`. An item that is joined and has another title than the entry lacks their embedding.

        Returns:
            The items as stored, in the order of `entries`, without entries that a person removed from another source for good.

        Raises:
            StoreError: `index_model_mismatch` (an embedding longer or shorter than the model's others; as `ModelSwitched`, none of the
                models is the active one), `bad_request` (not finite, not of length 1).
        """
        with self._database.writing() as db:
            written = writing.add(
                db,
                entries,
                model_id=model_id,
                other_embeddings=other_embeddings,
                text_embeddings=text_embeddings,
                title_models=title_models,
            )
        return [item for item, _ in written if item is not None]

    def update_texts(
        self, texts: Sequence[ItemTexts], *, text_embeddings: TextEmbeddings | None = None, title_models: Collection[str] = ()
    ) -> int:
        """Replace the words of rows by key, where they differ; returns how many items changed. Unknown keys, and items edited by
        hand, are passed over.

        Args:
            text_embeddings: embeddings of the new texts.
            title_models: models whose embedding of an item depends on its title: it is dropped where the title changed, to be made
                again. So are those of models that are not in use, unless they are known not to read titles; see
                `Models.set_reads_titles`.
        """
        with self._database.writing() as db:
            return writing.update_texts(db, texts, text_embeddings=text_embeddings, title_models=title_models)

    def edit(
        self,
        item_id: int,
        *,
        title: str | None = None,
        attributes: Mapping[str, str] | None = None,
        text_embeddings: TextEmbeddings | None = None,
        title_embeddings: Mapping[str, Embedding] | None = None,
    ) -> Item:
        """Replace the title or the attributes of one item, or both; None leaves them. Returns it as stored.

        Args:
            text_embeddings: embeddings of the new title.
            title_embeddings: new embeddings of the item, by model, where they depend on the title. Those of other models that read
                titles are dropped; see `update_texts`.

        Raises:
            QueryError: `not_found`, also for a removed item.
        """
        with self._database.writing() as db:
            return writing.edit(
                db,
                item_id,
                title=title,
                attributes=attributes,
                text_embeddings=text_embeddings,
                title_embeddings=title_embeddings,
            )

    # Reading

    def get(self, item_id: int) -> Item:
        """One item.

        Raises:
            QueryError: `not_found`, also for a removed item.
        """
        with self._database.reading() as db:
            return rows.one_item(db, item_id)

    def sources(self, item_id: int) -> list[ItemSource]:
        """The rows of sources that show an item's picture, with the words of each; the oldest first.

        Raises:
            QueryError: `not_found`, also for a removed item.
        """
        with self._database.reading() as db:
            rows.one_item(db, item_id)
            return item_sources.of_item(db, item_id)

    def with_content(self, content_hash: str) -> set[int]:
        """Ids of the items that show the picture with this content hash."""
        with self._database.reading() as db:
            found = db.execute("SELECT item_id FROM items WHERE content_hash = ? AND removed_at IS NULL", (content_hash,))
            return {item_id for (item_id,) in found}

    def get_many(self, item_ids: Sequence[int]) -> list[Item]:
        """Items in the order of `item_ids`. Those not there any more are left out."""
        with self._database.reading() as db:
            return rows.many_items(db, item_ids)

    def page(self, limit: int, after_id: int | None = None, *, source: str | None = None, newest_first: bool = False) -> list[Item]:
        """Up to `limit` items beyond the item `after_id`, oldest or newest first; of one source when it is named."""
        with self._database.reading() as db:
            return rows.item_page(db, limit, after_id=after_id, source=source, newest_first=newest_first)

    def count(self, *, source: str | None = None) -> int:
        """How many items there are, in all or of one source."""
        with self._database.reading() as db:
            if source is None:
                row = db.execute("SELECT COUNT(*) FROM items INDEXED BY items_by_catalogue WHERE removed_at IS NULL").fetchone()
            else:
                sql = f"SELECT COUNT(*) FROM items WHERE {IS_OF_SOURCE} AND removed_at IS NULL"
                row = db.execute(sql, (storable(source),)).fetchone()
            return int(row[0])

    def matching(self, chosen: Filter) -> npt.NDArray[np.int64]:
        """Ids, ascending, of the items that match a filter. Shape: (n,) int64."""
        where, values = condition(chosen)
        sql = f"SELECT item_id FROM items WHERE {where} ORDER BY item_id"
        with self._database.reading() as db:
            ids = db.execute(sql, values).fetchall()
        return np.fromiter((item_id for (item_id,) in ids), dtype=np.int64, count=len(ids))

    def matching_page(self, limit: int, after_id: int, chosen: Filter) -> list[Item]:
        """Up to `limit` matching items beyond `after_id`, oldest first."""
        where, values = condition(chosen)
        sql = f"SELECT {ITEM_COLUMNS} FROM items WHERE {where} AND items.item_id > ? ORDER BY items.item_id LIMIT ?"
        with self._database.reading() as db:
            return [item_of(row) for row in db.execute(sql, (*values, max(-1, min(after_id, MAX_ID)), max(0, limit)))]

    def attribute_values(self, limit: int) -> dict[str, list[tuple[str, int]]]:
        """Each attribute with its `limit` most frequent values and how many items have them, most frequent first."""
        with self._database.reading() as db:
            counted = db.execute(
                "SELECT key, value, n FROM ("
                " SELECT key, value, n, ROW_NUMBER() OVER (PARTITION BY key ORDER BY n DESC, value) AS place FROM ("
                "  SELECT attribute.key AS key, attribute.value AS value, COUNT(*) AS n"
                "  FROM items, json_each(items.attributes) AS attribute WHERE items.removed_at IS NULL GROUP BY 1, 2))"
                " WHERE place <= ? ORDER BY key, place",
                (limit,),
            ).fetchall()
        found: dict[str, list[tuple[str, int]]] = {}
        for name, value, count in counted:
            found.setdefault(name, []).append((value, count))
        return found

    def known(self, keys: Iterable[str], *, model_id: str | None = None) -> dict[str, Known]:
        """What is held under each of the keys, removed items included; keys never seen are left out."""
        wanted = {storable(key): key for key in keys}
        with self._database.reading() as db:
            found = db.execute(
                f"SELECT {ITEM_COLUMNS}, {item_sources.COLUMNS}, items.removed_at IS NOT NULL, items.vanished, EXISTS ("
                " SELECT 1 FROM embeddings JOIN models USING (model_no)"
                " WHERE embeddings.item_id = items.item_id AND models.model_id = ?)"
                " FROM item_sources JOIN items USING (item_id) WHERE item_sources.key IN (SELECT value FROM json_each(?))",
                (model_id, json.dumps(list(wanted))),
            ).fetchall()
        known = [
            Known(item_of(row), item_sources.row_of(row[0], row[ITEM_WIDTH:]), *map(bool, row[ITEM_WIDTH + item_sources.WIDTH :]))
            for row in found
        ]
        return {wanted[each.row.key]: each for each in known}

    def refused(self, keys: Iterable[str]) -> set[str]:
        """The keys deleted by the user and since purged; re-indexing skips them."""
        wanted = {storable(key): key for key in keys}
        with self._database.reading() as db:
            found = db.execute("SELECT key FROM refused WHERE key IN (SELECT value FROM json_each(?))", (json.dumps(list(wanted)),))
            return {wanted[key] for (key,) in found}

    def by_file_name(self, file_name: str, *, limit: int) -> list[Item]:
        """Up to `limit` items whose origin is this file name or ends in it after a slash, oldest first. Reads every origin: slow."""
        name = storable(file_name)
        if not name or "/" in name:
            return []
        sql = (
            f"SELECT {ITEM_COLUMNS} FROM items WHERE items.removed_at IS NULL"
            " AND (items.source = ? OR substr(items.source, ?) = ?) ORDER BY items.item_id LIMIT ?"
        )
        ending = f"/{name}"
        with self._database.reading() as db:
            return [item_of(row) for row in db.execute(sql, (name, -len(ending), ending, limit))]

    def at(self, place: int) -> Item | None:
        """The item at a place, from 0, of all items oldest first; None beyond the last."""
        sql = f"SELECT {ITEM_COLUMNS} FROM items WHERE items.removed_at IS NULL ORDER BY items.item_id LIMIT 1 OFFSET ?"
        with self._database.reading() as db:
            row = db.execute(sql, (max(0, min(place, 2**62)),)).fetchone()
        return None if row is None else item_of(row)

    # Removing

    def remove(self, item_ids: Sequence[int]) -> list[int]:
        """Take items out of the collection and of every index; returns the ids that were there.

        `restore` undoes it until `purge`.
        """
        with self._database.writing() as db:
            return removal.remove(db, item_ids)

    def restore(self, item_ids: Sequence[int]) -> list[int]:
        """Bring removed items back, with the embeddings they had; returns the ids that came back."""
        with self._database.writing() as db:
            return removal.restore(db, item_ids)

    def purge(self, older_than_s: float = 0.0) -> int:
        """Delete for good what was removed at least `older_than_s` seconds ago; returns how many items. See `refused`."""
        with self._database.writing() as db:
            return removal.purge(db, older_than_s=older_than_s)
