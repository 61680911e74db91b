"""An index that keeps itself in step with the catalog, whoever writes to it."""

import logging
import threading
from collections.abc import Collection
from pathlib import Path

from crossmodal import errors
from crossmodal.errors import StoreError
from crossmodal.indexes.base import Hits, Ids, IndexTag, VectorIndex, Vectors
from crossmodal.indexes.exact import ExactIndex
from crossmodal.store import Store
from crossmodal.store.changes import PICTURES, Feed

logger = logging.getLogger(__name__)

_REMEDY = "It is built anew from the collection."


class SyncedIndex:
    """One model's index over a catalog: loaded from its file or built from the catalog, and brought up to date before each search.

    May be used from many threads. What this process or another had added or removed before a search began counts in its answer.

    Args:
        catalog: the truth.
        model_id: whose embeddings.
        embed_dim: their length.
        path: where the index is kept between runs; a cache, which may be missing, old or broken.
        feed: what it holds: the pictures of items, or the texts they say. Its ids are then those of texts.

    Attributes:
        refused: why the file was not used; None when it was.

    Raises:
        StoreError: `index_corrupt`, an embedding in the catalog is damaged; `Store.drop_damaged` and a new embedding mend it.
    """

    def __init__(self, store: Store, model_id: str, *, embed_dim: int, path: Path, feed: Feed = PICTURES) -> None:
        self.model_id = model_id
        self.embed_dim = embed_dim
        self.path = path
        self.refused: StoreError | None = None
        self._store = store
        self._feed = feed
        # A file of pictures is never taken for one of texts.
        self._name = model_id if feed is PICTURES else f"{feed.noun}s of {model_id}"
        self._lock = threading.Lock()
        self._save_lock = threading.Lock()
        self._saved_tag: IndexTag | None = None
        # No catalog has this version: the first refresh always reads.
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
        """The nearest items of each query in the collection as it is now; see `VectorIndex.search`."""
        self.refresh()
        return self._index.search(queries, top_k, exclude=exclude, allowed=allowed)

    def refresh(self) -> None:
        """Take in what changed in the catalog; costs some microseconds when nothing did."""
        if self._store.version() == self._version:
            return
        with self._lock:
            # Asked before the changes are read, so that a commit in between is found again next time.
            version = self._store.version()
            if version != self._version:
                self._tag = self._caught_up(self._index, self._tag)
                self._version = version

    def rebuild(self) -> None:
        """Build the index anew from the catalog; searches go on in the old one until it is done."""
        index = ExactIndex(self.embed_dim)
        tag = self._caught_up(index, IndexTag(self._store.store_uuid, self._name))
        with self._lock:
            self._index, self._tag, self._version = index, tag, -1
        self.refresh()

    def save(self) -> None:
        """Write the file, unless it is up to date. Losing it loses nothing but the time to build it.

        Raises:
            StoreError: `disk_full`, `read_only`, `index_missing` (its folder is gone).
        """
        with self._save_lock:
            # The rows may be newer than the tag; taking the same changes in again changes nothing. Never the other way round.
            with self._lock:
                index, tag = self._index, self._tag
            if tag != self._saved_tag:
                try:
                    index.save(self.path, tag=tag)
                except OSError as error:  # a read-only disk refuses even that the draft be swept away
                    raise errors.from_oserror(error, self.path) from error
                self._saved_tag = tag

    def close(self) -> None:
        """Save, if that can be done; the log says why not."""
        try:
            self.save()
        except StoreError as error:
            logger.warning("%s", error.sentence)

    def _loaded(self) -> tuple[VectorIndex, IndexTag]:
        store_uuid = self._store.store_uuid
        index, tag = ExactIndex.load(self.path, store_uuid=store_uuid, model_id=self._name, embed_dim=self.embed_dim)
        here = self._store.mark(self.model_id, tag.seq, feed=self._feed)
        if (tag.mark, tag.removal_mark) != (here, self._store.removal_mark(tag.removal_seq, feed=self._feed)):
            raise StoreError(
                "index_model_mismatch", f"The index {self.path} is not of the collection as it is now.", remedy=_REMEDY
            )
        return index, tag

    def _check_count(self) -> None:
        expected = self._store.embedded(self.model_id, feed=self._feed)
        if len(self._index) != expected:
            what = f"The index {self.path} holds {len(self._index)} {self._feed.noun}s, the collection {expected}."
            raise StoreError("index_corrupt", what, remedy=_REMEDY)

    def _caught_up(self, index: VectorIndex, tag: IndexTag) -> IndexTag:
        """Bring the index up to date; answers where it stands now."""
        changes = self._store.changes(self.model_id, after_seq=tag.seq, after_removal=tag.removal_seq, feed=self._feed)
        if len(changes.removed_ids) or len(changes.item_ids):
            index.apply(changes.removed_ids, changes.item_ids, changes.embeddings)
        return IndexTag(tag.store_uuid, tag.model_id, changes.seq, changes.removal_seq, changes.mark, changes.removal_mark)
