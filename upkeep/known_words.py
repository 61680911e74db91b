"""The words a collection uses, counted anew when that is worth it."""

import threading
import time
from dataclasses import dataclass

from crossmodal.catalog import Catalog
from crossmodal.text.vocabulary import Vocabulary

_MOST_ITEMS = 20_000
# Up to here counting takes some milliseconds, and every change of the collection is followed at once.
_FEW_ITEMS = 1_000
# Beyond, counting takes up to a second: while items come in all the time, a new word may be unknown for this long.
_FRESH_S = 30.0


@dataclass(frozen=True, slots=True)
class _Counted:
    words: Vocabulary
    version: int
    items: int
    at: float


class KnownWords:
    """Words of the titles and captions of the newest 20,000 items. May be used from many threads; one of them counts."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._counting = threading.Lock()
        self._latest: _Counted | None = None

    def vocabulary(self) -> Vocabulary:
        """The words as they are, or were a moment ago."""
        latest = self._latest
        if latest is not None and self._is_fresh(latest):
            return latest.words
        # Whoever has a former count takes that rather than wait for the next.
        if not self._counting.acquire(blocking=latest is None) and latest is not None:
            return latest.words
        try:
            if self._latest is None or not self._is_fresh(self._latest):
                self._latest = self._counted()
            return self._latest.words
        finally:
            self._counting.release()

    def _is_fresh(self, counted: _Counted) -> bool:
        if counted.version == self._catalog.version():
            return True
        return counted.items > _FEW_ITEMS and time.monotonic() - counted.at < _FRESH_S

    def _counted(self) -> _Counted:
        version = self._catalog.version()  # before the items are read: a commit in between is found again next time
        items = self._catalog.page(_MOST_ITEMS, newest_first=True)
        words = Vocabulary(text for item in items for text in (item.title, *item.captions))
        return _Counted(words, version, len(items), time.monotonic())
