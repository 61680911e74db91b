"""The words a collection uses, counted anew when that is worth it."""

import difflib
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from crossmodal.store import Store
from crossmodal.text.cleaning import FUNCTION_WORDS, words

_CLOSENESS = 0.72
"""Least similarity (Ratcliff and Obershelp's ratio, in [0, 1]) of a suggestion: "stripd" is 0.92 from "striped", "kleid" 0.5 from "red"."""


class Vocabulary:
    """Words of titles with how often they occur.

    Args:
        titles: any number of texts; none gives a vocabulary that knows nothing and suggests nothing.
    """

    def __init__(self, titles: Iterable[str]) -> None:
        self._counts = Counter(word for title in titles for word in set(words(title)) if word not in FUNCTION_WORDS)

    def __len__(self) -> int:
        return len(self._counts)

    def unknown(self, query: str) -> list[str]:
        """The query's words that no title uses, in order, each once."""
        found = dict.fromkeys(word for word in words(query) if word not in FUNCTION_WORDS)
        return [word for word in found if word not in self._counts]

    def near(self, query: str, n: int = 3) -> list[str]:
        """Up to `n` words of the collection close in spelling to the query's unknown words, best first."""
        suggestions: dict[str, float] = {}
        for word in self.unknown(query)[:8]:
            candidates = [known for known in self._counts if abs(len(known) - len(word)) <= 3]
            for near in difflib.get_close_matches(word, candidates, n=n, cutoff=_CLOSENESS):
                closeness = difflib.SequenceMatcher(None, word, near).ratio()
                suggestions[near] = max(closeness, suggestions.get(near, 0.0))
        return sorted(suggestions, key=lambda near: (-suggestions[near], -self._counts[near], near))[:n]


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


class CollectionVocabulary:
    """Words of the titles and captions of the newest 20,000 items. May be used from many threads; one of them counts."""

    def __init__(self, store: Store) -> None:
        self._store = store
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
        if counted.version == self._store.version():
            return True
        return counted.items > _FEW_ITEMS and time.monotonic() - counted.at < _FRESH_S

    def _counted(self) -> _Counted:
        version = self._store.version()  # before the items are read: a commit in between is found again next time
        items = self._store.items.page(_MOST_ITEMS, newest_first=True)
        words = Vocabulary(text for item in items for text in (item.title, *item.captions))
        return _Counted(words, version, len(items), time.monotonic())
