"""`Store`: the collection in one SQLite file. What it holds is reached through its parts: `store.items`, `store.sources`, ..."""

from pathlib import Path
from typing import Self

from crossmodal.store import schema
from crossmodal.store.changes import ChangeFeeds
from crossmodal.store.database import MIN_FREE_BYTES, Database, Meta
from crossmodal.store.embeddings import Embeddings
from crossmodal.store.failures import Failures
from crossmodal.store.items import Items
from crossmodal.store.models import Models
from crossmodal.store.pictures import Pictures
from crossmodal.store.sources import Sources
from crossmodal.store.texts import Texts
from crossmodal.store.words import Words


class Store:
    """Items, pictures, embeddings, failures and sources in the SQLite file at `path`.

    May be used from many threads, and by several processes on the same file at once. Every method of its parts that writes is one
    transaction: it is on the disk when the method returns, and has not happened when it raises. An item is visible to a model once it
    has an embedding of that model; embeddings of several models are stored side by side and never mix.

    Any method raises `StoreError` (`index_corrupt`, `disk_full`, `read_only`, `index_missing`) or `BusyError` (`busy`).

    Args:
        path: the file. Its folder is made too.
        create: whether a missing file is made.
        wait_s: longest wait for another writer.
        min_free_bytes: writes are refused when the disk has less than this left.

    Attributes:
        items: adding, changing, reading and removing items.
        pictures: the stored JPEGs of items.
        sources: what items come from.
        failures: rows of sources that did not become items.
        embeddings: of items. `texts`: what items say, with its embeddings.
        words: of titles, captions, attributes and file names, for searching them as text.
        models: whose embeddings are stored, and which model is active.
        changes: the feeds that keep indexes up to date.
        meta: small values of the collection itself.
        read_only: the file or its folder cannot be written; everything can be read, and a write raises `read_only`.
        store_uuid: tells this collection from any other; a copy of the file has the same.

    Raises:
        StoreError: `index_corrupt` (damaged, or another program's file; never touched), `store_too_new`, `read_only`, `disk_full`.
        StoreMissing: there is no file, and `create` is False.
    """

    def __init__(self, path: Path, *, create: bool = True, wait_s: float = 30.0, min_free_bytes: int = MIN_FREE_BYTES) -> None:
        access = schema.open_file(path, wait_s=wait_s, create=create)
        self.path = path
        self.read_only = access != "rw"
        self._database = Database(path, wait_s=wait_s, min_free_bytes=min_free_bytes, access=access)
        self.items = Items(self._database)
        self.pictures = Pictures(self._database)
        self.sources = Sources(self._database)
        self.failures = Failures(self._database)
        self.embeddings = Embeddings(self._database)
        self.texts = Texts(self._database)
        self.words = Words(self._database)
        self.models = Models(self._database)
        self.changes = ChangeFeeds(self._database)
        self.meta = Meta(self._database)
        self.store_uuid: str = self.meta.get("store_uuid") or ""

    def version(self) -> int:
        """A number that differs after any commit of any thread or process; costs some microseconds."""
        return self._database.version()

    def close(self) -> None:
        """Close the file. Twice is fine; any other call afterwards raises `StoreError`."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
