"""An index that follows all changes of the store, including those of other processes."""

import logging
import threading
from collections.abc import Collection
from pathlib import Path

from crossmodal import errors
from crossmodal.errors import StoreError
from crossmodal.indexes.base import Hits, Ids, IndexTag, VectorIndex, Vectors
from crossmodal.indexes.kinds import INDEX_KINDS
from crossmodal.registry import lookup
from crossmodal.store import Store
from crossmodal.store.changes import Feed

logger = logging.getLogger(__name__)

_REMEDY = "It is rebuilt from the collection."


class SyncedIndex:
    """One model's index of a store: loaded from its cache file or built from the store, and updated before each search.

    Thread-safe. A search reflects every change that any process committed before it began.

    Args:
        store: the source of truth.
        model_id: the model whose embeddings are indexed.
        embed_dim: their dimension.
        path: cache file of the index; may be missing, outdated or broken.
        kind: name of a kind of index in `crossmodal.indexes.kinds`.
        feed: what is indexed: pictures of items (ids are item ids) or texts (ids are text ids).

    Attributes:
        refused: why the cache file was not used; None if it was.

    Raises:
        StoreError: `index_corrupt`: an embedding in the store is damaged. Repair with `ChangeFeeds.drop_damaged` and a new embedding.
        QueryError: `bad_request`: there is no such kind of index.
    """

    def __init__(
        self, store: Store, model_id: str, *, embed_dim: int, path: Path, kind: str = "exact", feed: Feed = "images"
    ) -> None:
        self.model_id = model_id
        self.embed_dim = embed_dim
        self.path = path
        self.refused: StoreError | None = None
        self._store = store
        self._feed = feed
        self._kind = lookup(INDEX_KINDS, kind, kind="index kind")
        # Distinct names, so that a picture index is never loaded as a text index.
        self._name = model_id if feed == "images" else f"texts of {model_id}"
        self._lock = threading.Lock()
        self._save_lock = threading.Lock()
        self._saved_tag: IndexTag | None = None
        # No store has this version, so the first refresh always reads.
        self._version = -1
        try:
            self._index, self._tag = self._loaded()
            self._saved_tag = self._tag
            self.refresh()
            self._check_count()
        except StoreError as error:
            self.refused = error
            logger.info("The index is built from the collection: %s", error)
            self.rebuild()

    def __len__(self) -> int:
        return len(self._index)

    def search(self, queries: Vectors, top_k: int, *, exclude: Collection[int] = (), allowed: Ids | None = None) -> list[Hits]:
        """Update the index, then search; see `VectorIndex.search`."""
        self.refresh()
        return self._index.search(queries, top_k, exclude=exclude, allowed=allowed)

    def refresh(self) -> None:
        """Apply changes of the store; takes a few microseconds if there are none."""
        if self._store.version() == self._version:
            return
        with self._lock:
            # Read before the changes, so that a commit in between is detected the next time.
            version = self._store.version()
            if version != self._version:
                self._tag = self._caught_up(self._index, self._tag)
                self._version = version

    def rebuild(self) -> None:
        """Rebuild the index from the store; searches use the old one until it is complete."""
        index = self._kind(self.embed_dim)
        tag = self._caught_up(index, IndexTag(self._store.store_uuid, self._name))
        with self._lock:
            self._index, self._tag, self._version = index, tag, -1
        self.refresh()

    def save(self) -> None:
        """Write the cache file unless it is up to date.

        Raises:
            StoreError: `disk_full`, `read_only`, `index_missing` (its folder does not exist).
        """
        with self._save_lock:
            # The rows may be newer than the tag (re-applying changes is harmless), but never older.
            with self._lock:
                index, tag = self._index, self._tag
            if tag != self._saved_tag:
                try:
                    index.save(self.path, tag=tag)
                except OSError as error:  # on a read-only disk even removing the draft fails
                    raise errors.from_oserror(error, self.path) from error
                self._saved_tag = tag

    def close(self) -> None:
        """Save if possible; a failure is logged."""
        try:
            self.save()
        except StoreError as error:
            logger.warning("%s", error.sentence)

    def _loaded(self) -> tuple[VectorIndex, IndexTag]:
        store_uuid = self._store.store_uuid
        index, tag = self._kind.load(self.path, store_uuid=store_uuid, model_id=self._name, embed_dim=self.embed_dim)
        here = self._store.changes.mark(self.model_id, tag.seq, feed=self._feed)
        if (tag.mark, tag.removal_mark) != (here, self._store.changes.removal_mark(tag.removal_seq, feed=self._feed)):
            raise StoreError(
                "index_model_mismatch", f"The index {self.path} does not match the current collection.", remedy=_REMEDY
            )
        return index, tag

    def _check_count(self) -> None:
        expected = self._store.changes.count(self.model_id, feed=self._feed)
        if len(self._index) != expected:
            noun = "items" if self._feed == "images" else "texts"
            what = f"The index {self.path} has {len(self._index)} {noun}, the collection {expected}."
            raise StoreError("index_corrupt", what, remedy=_REMEDY)

    def _caught_up(self, index: VectorIndex, tag: IndexTag) -> IndexTag:
        """Apply all changes after `tag`; returns the new tag."""
        changes = self._store.changes.since(self.model_id, after_seq=tag.seq, after_removal=tag.removal_seq, feed=self._feed)
        if len(changes.removed_ids) or len(changes.item_ids):
            index.apply(changes.removed_ids, changes.item_ids, changes.embeddings)
        return IndexTag(tag.store_uuid, tag.model_id, changes.seq, changes.removal_seq, changes.mark, changes.removal_mark)
