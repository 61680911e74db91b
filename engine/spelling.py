"""The vocabulary of a collection, for spelling suggestions; recounted when necessary."""

import difflib
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from crossmodal.store import Store
from crossmodal.text.cleaning import FUNCTION_WORDS, words

_CLOSENESS = 0.72
"""Minimum similarity (Ratcliff and Obershelp's ratio, in [0, 1]) of a suggestion: 0.92 for "stripd" and "striped", 0.5 for
"kleid" and "red".
"""


class Vocabulary:
    """Words of titles with their frequencies.

    Args:
        titles: any number of texts; without texts there are no suggestions.
    """

    def __init__(self, titles: Iterable[str]) -> None:
        self._counts = Counter(word for title in titles for word in set(words(title)) if word not in FUNCTION_WORDS)

    def __len__(self) -> int:
        return len(self._counts)

    def unknown(self, query: str) -> list[str]:
        """The query's words that no title contains, in order, without duplicates."""
        found = dict.fromkeys(word for word in words(query) if word not in FUNCTION_WORDS)
        return [word for word in found if word not in self._counts]

    def near(self, query: str, n: int = 3) -> list[str]:
        """Up to `n` words of the collection spelt similarly to the query's unknown words, best first."""
        suggestions: dict[str, float] = {}
        for word in self.unknown(query)[:8]:
            candidates = [known for known in self._counts if abs(len(known) - len(word)) <= 3]
            for near in difflib.get_close_matches(word, candidates, n=n, cutoff=_CLOSENESS):
                closeness = difflib.SequenceMatcher(None, word, near).ratio()
                suggestions[near] = max(closeness, suggestions.get(near, 0.0))
        return sorted(suggestions, key=lambda near: (-suggestions[near], -self._counts[near], near))[:n]


_MOST_ITEMS = 20_000
# Up to this many items, counting takes milliseconds and is repeated after every change.
_FEW_ITEMS = 1_000
# Above, counting takes up to a second: while items are added continuously, a new word may be unknown for this long.
_FRESH_S = 30.0


@dataclass(frozen=True, slots=True)
class _Counted:
    words: Vocabulary
    version: int
    items: int
    at: float


class CollectionVocabulary:
    """Words of the titles and captions of the newest 20,000 items. Thread-safe; one thread counts at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._counting = threading.Lock()
        self._latest: _Counted | None = None

    def vocabulary(self) -> Vocabulary:
        """The current vocabulary, possibly slightly outdated."""
        latest = self._latest
        if latest is not None and self._is_fresh(latest):
            return latest.words
        # With a previous count at hand, threads use that instead of waiting for the next.
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
        version = self._store.version()  # before reading the items: a commit in between is detected the next time
        items = self._store.items.page(_MOST_ITEMS, newest_first=True)
        words = Vocabulary(text for item in items for text in (item.title, *item.captions))
        return _Counted(words, version, len(items), time.monotonic())
