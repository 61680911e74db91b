"""`Store`: the one durable store, and the only door to it."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Concatenate, ParamSpec, Self, TypeVar

import numpy as np
import numpy.typing as npt

from crossmodal.items import Embedding, Failure, Item, NewItem
from crossmodal.store import (
    active_model,
    changes,
    embeddings,
    failures,
    filters,
    items,
    lookups,
    meta,
    opening,
    pictures,
    removal,
    renames,
    sources,
    texts,
    titles,
    writing,
)
from crossmodal.store.changes import PICTURES, Feed
from crossmodal.store.connections import MIN_FREE_BYTES, Connection, Connections
from crossmodal.store.filters import Conditions
from crossmodal.store.records import Changes, ItemTexts, Known, SourceInfo
from crossmodal.store.texts import TextEmbeddings

P = ParamSpec("P")
T = TypeVar("T")


class Store:
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

    def add(
        self,
        entry: NewItem,
        *,
        model_id: str,
        further: Mapping[str, Embedding] | None = None,
        said: TextEmbeddings | None = None,
    ) -> tuple[Item, bool]:
        """Write one item; answers it as stored, and whether its key was new. `further` holds one embedding a model. See `add_many`."""
        rows = {name: [embedding] for name, embedding in (further or {}).items()}
        return self._write(writing.add, [entry], model_id=model_id, further=rows, said=said)[0]

    def add_many(
        self,
        entries: Sequence[NewItem],
        *,
        model_id: str,
        further: Mapping[str, Sequence[Embedding]] | None = None,
        said: TextEmbeddings | None = None,
    ) -> list[Item]:
        """Write items in one transaction, all or none, with their embeddings of one model.

        A known key is brought up to date: its words always, its picture and embeddings when the content hash differs (embeddings
        of other models are then dropped). A removed key comes back. Failures recorded under the keys are forgotten.

        Args:
            further: embeddings of other models, one for each entry.
            said: embeddings of the entries' texts (`items.texts_of`); those already stored may be left out.

        Returns:
            The items as stored, in the order of `entries`; empty for none.

        Raises:
            StoreError: `index_model_mismatch` (an embedding longer or shorter than the model's others; as `ModelSwitched`, none of the
                models is the active one), `bad_request` (not finite, not of length 1).
        """
        return [item for item, _ in self._write(writing.add, entries, model_id=model_id, further=further, said=said)]

    def update_texts(self, rows: Sequence[ItemTexts], *, said: TextEmbeddings | None = None, titled: Collection[str] = ()) -> int:
        """Replace the words of items by key, where they differ; returns how many did. Unknown keys are passed over.

        Args:
            said: embeddings of the new texts.
            titled: models whose embedding of an item depends on its title: it is dropped where the title changed, to be made again. So
                are those of models that are not in use, unless they are known not to read titles; see `note_model`.
        """
        return self._write(writing.update_texts, rows, said=said, titled=titled)

    def update_item(
        self,
        item_id: int,
        *,
        title: str | None = None,
        attributes: Mapping[str, str] | None = None,
        said: TextEmbeddings | None = None,
        titled: Mapping[str, Embedding] | None = None,
    ) -> Item:
        """Replace the title or the attributes of one item, or both; None leaves them. Answers it as stored.

        Args:
            said: embeddings of the new title.
            titled: new embeddings of the item, by model, where they depend on the title. Those of other models that read titles are
                dropped; see `update_texts`.

        Raises:
            QueryError: `not_found`, also for a removed item.
        """
        return self._write(writing.update_item, item_id, title=title, attributes=attributes, said=said, titled=titled)

    # Asking

    def known(self, keys: Iterable[str], *, model_id: str | None = None) -> dict[str, Known]:
        """What is held under each of the keys, removed items included; keys never seen are left out."""
        return self._read(items.known, keys, model_id=model_id)

    def refused(self, keys: Iterable[str]) -> set[str]:
        """Those of the keys whose item a person removed and `purge_removed` deleted: a reading of their catalogue leaves them out."""
        return self._read(items.refused, keys)

    def item(self, item_id: int) -> Item:
        """One item.

        Raises:
            QueryError: `not_found`, also for a removed item.
        """
        return self._read(items.item, item_id)

    def items(self, item_ids: Sequence[int]) -> list[Item]:
        """Items in the order asked for. Those not there any more are left out."""
        return self._read(items.items, item_ids)

    def page(self, limit: int, after_id: int | None = None, *, source: str | None = None, newest_first: bool = False) -> list[Item]:
        """Up to `limit` items beyond the item `after_id`, oldest or newest first; of one catalogue when it is named."""
        return self._read(items.page, limit, after_id=after_id, source=source, newest_first=newest_first)

    def count(self, *, source: str | None = None) -> int:
        """How many items there are, in all or in one catalogue."""
        return self._read(items.count, source=source)

    def counts(self) -> dict[str, int]:
        """How many items each catalogue has, by name; those without any are left out."""
        return self._read(sources.counts)

    def matching(self, conditions: Conditions) -> npt.NDArray[np.int64]:
        """Ids, ascending, of the items that match a checked filter. Shape: (n,) int64."""
        return self._read(filters.matching, conditions)

    def matching_page(self, limit: int, after_id: int, conditions: Conditions) -> list[Item]:
        """Up to `limit` matching items beyond `after_id`, oldest first."""
        return self._read(filters.page, limit, after_id=after_id, conditions=conditions)

    def attribute_values(self, limit: int) -> dict[str, list[tuple[str, int]]]:
        """Each attribute with its `limit` most frequent values and how many items have them, most frequent first."""
        return self._read(filters.attribute_values, limit)

    def named(self, file_name: str, *, limit: int) -> list[Item]:
        """Up to `limit` items whose source ends in this file name, oldest first. Reads every item's source: slow."""
        return self._read(lookups.named, file_name, limit)

    def at(self, place: int) -> Item | None:
        """The item at a place, from 0, of all items oldest first; None beyond the last."""
        return self._read(lookups.at, place)

    def count_captions(self) -> int:
        """How many texts describe items: each one's captions, or its title where it has none."""
        return self._read(lookups.count_captions)

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

    def samples(self, *, source: str | None = None, batch_size: int = 64) -> Iterator[tuple[Item, bytes]]:
        """Every item with its large JPEG, in the order of the ids, for training.

        Read in batches: a reader that held one snapshot for a whole training would keep the write-ahead log from shrinking. Items
        added meanwhile are seen, items removed meanwhile are left out.
        """
        after_id: int | None = None
        while batch := self._read(pictures.samples, batch_size, after_id=after_id, source=source):
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
        """Delete for good what was removed at least `older_than_s` seconds ago; returns how many items. See `refused`."""
        return self._write(removal.purge, older_than_s=older_than_s)

    # Catalogues and failures

    def put_source(
        self, name: str, *, kind: str, location: str, began_at: float | None = None, completed_at: float | None = None
    ) -> None:
        """Write down a catalogue, and, once it was read to its end, when that reading began and ended (Unix seconds)."""
        self._write(sources.put, name, kind=kind, location=location, began_at=began_at, completed_at=completed_at)

    def sources(self) -> list[SourceInfo]:
        """Every catalogue with its counts, in the order they were added."""
        return self._read(sources.listed)

    def remove_source(self, name: str) -> list[int]:
        """Remove a catalogue's items, failures and entry; returns the items' ids. Read again, it brings all of them back."""
        return self._write(sources.remove, name)

    def follow_renames(
        self, source: str, keys_present: Iterable[str], *, unread: Collection[str] = (), titled: Collection[str] = ()
    ) -> list[int]:
        """Let items whose row came back under another key since the last whole reading, with the same picture, be the items they were.

        The new item is forgotten, the old one has its key, its source and, unless edited by hand, its words. To be called before
        `remove_missing`; answers the ids of the items that moved.

        Args:
            unread: see `remove_missing`.
            titled: see `update_texts`.
        """
        return self._write(renames.follow, source, keys_present, unread=unread, titled=titled)

    def remove_missing(self, source: str, keys_present: Iterable[str], *, unread: Collection[str] = ()) -> tuple[list[int], int]:
        """Remove a catalogue's items, and forget its failures, whose key is not among `keys_present`. They come back with their row.

        Args:
            unread: beginnings of keys that may be present all the same, because a part of the catalogue could not be read.

        Returns:
            The items' ids, and how many items stay because their key begins like that.
        """
        return self._write(sources.remove_missing, source, keys_present, unread=unread)

    def record_failures(self, rows: Sequence[Failure]) -> None:
        """Store failures; a key that failed before counts the attempts together and takes the new reason."""
        self._write(failures.record, rows)

    def failures(self, source: str | None = None) -> list[Failure]:
        """All failures, or one catalogue's, in the order of their keys."""
        return self._read(failures.listed, source=source)

    def clear_failures(self, keys: Iterable[str]) -> None:
        """Forget failures; keys without one are fine."""
        self._write(failures.clear, keys)

    # Models and their embeddings

    def models(self) -> dict[str, int]:
        """Each model that has embeddings here, with how many items of the collection it covers."""
        return self._read(embeddings.models)

    def embed_dim(self, model_id: str) -> int:
        """Length of the embeddings there are of a model; 0 when there are none."""
        return self._read(changes.stored_model, model_id)[1]

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

    def texts_without_embedding(self, model_id: str, limit: int, *, after_id: int = 0) -> list[tuple[int, str]]:
        """Up to `limit` texts of items that lack an embedding of the model, with their ids, in the order of these."""
        return self._read(texts.missing, model_id, limit, after_id=after_id)

    def embedded_texts(self, said: Iterable[str], model_id: str) -> set[str]:
        """Those of the texts that have an embedding of the model."""
        return self._read(texts.embedded, said, model_id)

    def add_text_embeddings(self, said: TextEmbeddings) -> int:
        """Store embeddings of texts of items, all or none; texts nobody says are passed over. Returns how many were stored."""
        return self._write(texts.add_embeddings, said)

    def items_with_text(self, text_ids: Sequence[int]) -> dict[int, tuple[str, int]]:
        """Each of the texts, by its id, with the id of the oldest item that says it; texts that no item says are left out."""
        return self._read(texts.items_with_text, text_ids)

    def text_ids(self, item_id: int) -> list[int]:
        """Ids of the texts an item says; empty for an unknown item."""
        return self._read(texts.of_items, [item_id])

    def note_model(self, model_id: str, *, reads_titles: bool) -> None:
        """Remember whether a model's embedding of an item depends on its title: if so, it is dropped when the title changes, to be made
        again, also after another model took its place."""
        self._write(titles.note, model_id, reads_titles=reads_titles)

    def drop_model(self, model_id: str) -> None:
        """Delete a model's embeddings; a model that has none is fine."""
        self._write(embeddings.drop_model, model_id)

    def drop_damaged(self, model_id: str, *, feed: Feed = PICTURES) -> list[int]:
        """Delete the model's embeddings that fail their checksum; returns their items (or texts), which are then listed as without."""
        return self._write(changes.drop_damaged, feed, model_id)

    def activate(self, model_id: str, *, unreadable: Collection[int] = ()) -> bool:
        """Make a model the one that all processes search with, in one transaction with the proof that no item lacks it.

        False, and nothing changed, when an item has no embedding of it.

        Args:
            unreadable: ids of items that may lack it, because their stored pictures cannot be read.
        """
        return self._write(active_model.activate, model_id, unreadable=unreadable)

    def set_initial(self, model_id: str, *, instead_of: str | None) -> bool:
        """Make a model the active one, unless another took the place of `instead_of` meanwhile; answers whether it is the active one."""
        return self._write(active_model.set_initial, model_id, instead_of=instead_of)

    # The feeds for indexes

    def version(self) -> int:
        """A number that differs after any commit of any thread or process; costs some microseconds."""
        return self._connections.version()

    def changes(self, model_id: str, *, after_seq: int = 0, after_removal: int = 0, feed: Feed = PICTURES) -> Changes:
        """What happened to a model's embeddings after a position of the feed; from 0 and 0, everything there is.

        Raises:
            StoreError: `index_corrupt`, an embedding is not what was written; the message names its item.
        """
        return self._read(changes.changes, feed, model_id, after_seq=after_seq, after_removal=after_removal)

    def mark(self, model_id: str, seq: int, *, feed: Feed = PICTURES) -> str:
        """What lies at a position of the feed, in hex: empty when nothing does. Tells a cache that it belongs to another past."""
        return self._read(changes.mark, feed, model_id, seq)

    def removal_mark(self, removal_seq: int, *, feed: Feed = PICTURES) -> str:
        """What lies at a position of the feed's removals; see `mark`."""
        return self._read(changes.removal_mark, feed, removal_seq)

    def embedded(self, model_id: str, *, feed: Feed = PICTURES) -> int:
        """How many embeddings of the model a complete index over the feed holds."""
        return self._read(changes.count, feed, model_id)

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
