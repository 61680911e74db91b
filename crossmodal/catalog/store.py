"""`Catalog`: the one durable store, and the only door to it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Concatenate, ParamSpec, Self, TypeVar

from crossmodal.catalog import catalogues, embeddings, failures, items, meta, opening, pictures, removal, writing
from crossmodal.catalog.connections import MIN_FREE_BYTES, Connection, Connections
from crossmodal.catalog.records import CatalogueInfo, Changes, ItemTexts, Known
from crossmodal.items import Embedding, Failure, Item, NewItem

P = ParamSpec("P")
T = TypeVar("T")


class Catalog:
    """Items, pictures, embeddings, failures and catalogues in the SQLite file at `path`, made when it is not there.

    May be used from many threads, and by several processes on the same file at once. Every method that writes is one transaction:
    it is on the disk when the method returns, and has not happened when it raises. An item is visible to a model once it has an
    embedding of that model; embeddings of several models lie side by side and never mix.

    Any method raises `StoreError` (`index_corrupt`, `disk_full`, `read_only`, `index_missing`) or `BusyError` (`busy`).

    Args:
        path: the file. Its folder is made too.
        wait_s: longest wait for another writer.
        min_free_bytes: writes are refused when the disk has less than this left.

    Raises:
        StoreError: `index_corrupt` (damaged, or another program's file; never touched), `store_too_new`, `read_only`, `disk_full`.
    """

    def __init__(self, path: Path, *, wait_s: float = 30.0, min_free_bytes: int = MIN_FREE_BYTES) -> None:
        opening.open_file(path, wait_s=wait_s)
        self.path = path
        self._connections = Connections(path, wait_s=wait_s, min_free_bytes=min_free_bytes)
        self.store_uuid: str = self._read(meta.get, "store_uuid") or ""

    def close(self) -> None:
        """Close the file. Twice is fine; any other call afterwards raises `StoreError`."""
        self._connections.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # Bringing items in

    def add(self, entry: NewItem, *, model_id: str) -> tuple[Item, bool]:
        """Write one item; answers it as stored, and whether its key was new. See `add_many`."""
        return self._write(writing.add, [entry], model_id=model_id)[0]

    def add_many(self, entries: Sequence[NewItem], *, model_id: str) -> list[Item]:
        """Write items in one transaction, all or none, with their embeddings of one model.

        A known key is brought up to date: its words always, its picture and embeddings when the content hash differs (embeddings
        of other models are then dropped). A removed key comes back. Failures recorded under the keys are forgotten.

        Returns:
            The items as stored, in the order of `entries`; empty for none.

        Raises:
            StoreError: `index_model_mismatch` (an embedding longer or shorter than the model's others), `bad_request` (not finite,
                not of length 1).
        """
        return [item for item, _ in self._write(writing.add, entries, model_id=model_id)]

    def update_texts(self, texts: Sequence[ItemTexts]) -> int:
        """Replace the words of items by key, where they differ; returns how many did. Unknown keys are passed over."""
        return self._write(writing.update_texts, texts)

    # Asking

    def known(self, keys: Iterable[str], *, model_id: str | None = None) -> dict[str, Known]:
        """What is held under each of the keys, removed items included; keys never seen are left out."""
        return self._read(items.known, keys, model_id=model_id)

    def item(self, item_id: int) -> Item:
        """One item.

        Raises:
            QueryError: `not_found`, also for a removed item.
        """
        return self._read(items.item, item_id)

    def items(self, item_ids: Sequence[int]) -> list[Item]:
        """Items in the order asked for. Those not there any more are left out."""
        return self._read(items.items, item_ids)

    def page(
        self, limit: int, after_id: int | None = None, *, catalogue: str | None = None, newest_first: bool = False
    ) -> list[Item]:
        """Up to `limit` items beyond the item `after_id`, oldest or newest first; of one catalogue when it is named."""
        return self._read(items.page, limit, after_id=after_id, catalogue=catalogue, newest_first=newest_first)

    def count(self, *, catalogue: str | None = None) -> int:
        """How many items there are, in all or in one catalogue."""
        return self._read(items.count, catalogue=catalogue)

    def counts(self) -> dict[str, int]:
        """How many items each catalogue has, by name; those without any are left out."""
        return self._read(catalogues.counts)

    def thumbnail(self, item_id: int) -> bytes:
        """The small JPEG of an item, checked against its checksum.

        Raises:
            QueryError: `not_found`.
            StoreError: `index_corrupt`, the bytes are not what was written.
        """
        return self._read(pictures.thumbnail, item_id)

    def rendition(self, item_id: int) -> bytes:
        """The large JPEG of an item; raises like `thumbnail`."""
        return self._read(pictures.rendition, item_id)

    def samples(self, *, catalogue: str | None = None, batch_size: int = 64) -> Iterator[tuple[Item, bytes]]:
        """Every item with its large JPEG, in the order of the ids, for training.

        Read in batches: a reader that held one snapshot for a whole training would keep the write-ahead log from shrinking. Items
        added meanwhile are seen, items removed meanwhile are left out.
        """
        after_id: int | None = None
        while batch := self._read(pictures.samples, batch_size, after_id=after_id, catalogue=catalogue):
            yield from batch
            after_id = batch[-1][0].item_id

    # Removing

    def remove(self, item_ids: Sequence[int]) -> list[int]:
        """Take items out of the collection and of every index; returns the ids that were there.

        `restore` undoes it until `purge_removed`.
        """
        return self._write(removal.remove, item_ids)

    def restore(self, item_ids: Sequence[int]) -> list[int]:
        """Bring removed items back, with the embeddings they had; returns the ids that came back."""
        return self._write(removal.restore, item_ids)

    def purge_removed(self, older_than_s: float = 0.0) -> int:
        """Delete for good what was removed at least `older_than_s` seconds ago; returns how many items."""
        return self._write(removal.purge, older_than_s=older_than_s)

    # Catalogues and failures

    def put_catalogue(self, name: str, *, kind: str, location: str, completed_at: float | None = None) -> None:
        """Write down a catalogue, and, once it was read to its end, when (Unix seconds)."""
        self._write(catalogues.put, name, kind=kind, location=location, completed_at=completed_at)

    def catalogues(self) -> list[CatalogueInfo]:
        """Every catalogue with its counts, in the order they were added."""
        return self._read(catalogues.listed)

    def remove_catalogue(self, name: str) -> list[int]:
        """Remove a catalogue's items, failures and entry; returns the items' ids."""
        return self._write(catalogues.remove, name)

    def remove_missing(self, catalogue: str, keys_present: Iterable[str]) -> list[int]:
        """Remove a catalogue's items, and forget its failures, whose key is not among `keys_present`; returns the items' ids."""
        return self._write(catalogues.remove_missing, catalogue, keys_present)

    def record_failures(self, rows: Sequence[Failure]) -> None:
        """Store failures; a key that failed before counts the attempts together and takes the new reason."""
        self._write(failures.record, rows)

    def failures(self, catalogue: str | None = None) -> list[Failure]:
        """All failures, or one catalogue's, in the order of their keys."""
        return self._read(failures.listed, catalogue=catalogue)

    def clear_failures(self, keys: Iterable[str]) -> None:
        """Forget failures; keys without one are fine."""
        self._write(failures.clear, keys)

    # Models and their embeddings

    def models(self) -> dict[str, int]:
        """Each model that has embeddings here, with how many items of the collection it covers."""
        return self._read(embeddings.models)

    def embedding_of_content(self, content_hash: str, model_id: str) -> Embedding | None:
        """The embedding, (embed_dim,) float32, that some item with this picture has; None when there is none."""
        return self._read(embeddings.of_content, content_hash, model_id)

    def embedding(self, item_id: int, model_id: str) -> Embedding:
        """An item's embedding, (embed_dim,) float32, checked against its checksum.

        Raises:
            QueryError: `not_found`, the item or its embedding of this model.
            StoreError: `index_corrupt`.
        """
        return self._read(embeddings.of_item, item_id, model_id)

    def without_embedding(self, model_id: str, limit: int, *, after_id: int = 0) -> list[Item]:
        """Up to `limit` items beyond `after_id` that lack an embedding of the model, in the order of their ids."""
        return self._read(embeddings.missing, model_id, limit, after_id=after_id)

    def add_embeddings(self, model_id: str, pairs: Iterable[tuple[Item, Embedding]]) -> int:
        """Store embeddings of items that are here already, all or none; returns how many.

        Pairs whose item was removed, or shows another picture by now, are passed over. Raises like `add_many`.
        """
        return self._write(embeddings.add, model_id, pairs)

    def drop_model(self, model_id: str) -> None:
        """Delete a model's embeddings; a model that has none is fine."""
        self._write(embeddings.drop_model, model_id)

    def drop_damaged(self, model_id: str) -> list[int]:
        """Delete the model's embeddings that fail their checksum; returns the items, which `without_embedding` then lists."""
        return self._write(embeddings.drop_damaged, model_id)

    # The feed for indexes

    def version(self) -> int:
        """A number that differs after any commit of any thread or process; costs some microseconds."""
        return self._connections.version()

    def changes(self, model_id: str, *, after_seq: int = 0, after_removal: int = 0) -> Changes:
        """What happened to a model's embeddings after a position of the feed; from 0 and 0, everything there is.

        Raises:
            StoreError: `index_corrupt`, an embedding is not what was written; the message names its item.
        """
        return self._read(embeddings.changes, model_id, after_seq=after_seq, after_removal=after_removal)

    def mark(self, model_id: str, seq: int) -> str:
        """What lies at a position of the feed, in hex: empty when nothing does. Tells a cache that it belongs to another past."""
        return self._read(embeddings.mark, model_id, seq)

    def get_meta(self, key: str) -> str | None:
        """A value stored with `set_meta`, None when there is none."""
        return self._read(meta.get, key)

    def set_meta(self, key: str, value: str) -> None:
        """Store a value under a key, in place of the earlier one."""
        self._write(meta.put, key, value)

    def _read(self, ask: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        with self._connections.reading() as db:
            return ask(db, *args, **kwargs)

    def _write(self, change: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        with self._connections.writing() as db:
            return change(db, *args, **kwargs)
