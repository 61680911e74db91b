"""The words a collection uses, to say which words of a query it does not know and which it may have meant."""

import difflib
from collections import Counter
from collections.abc import Iterable

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
