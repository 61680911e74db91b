"""Spelling: a query's unknown words, and the words of the collection that are near to them."""

import re
from functools import partial
from typing import Any

from crossmodal.text.cleaning import clean_query
from upkeep.live_app import LiveApp

_MOST_WORDS = 8
_SUGGESTIONS = 3


def correction_of(app: LiveApp, query: str) -> dict[str, Any]:
    """A `Correction`: each unknown word with the nearest known ones, and the query with the nearest of each in its place.

    Words without a near one stay as they are; so does everything while the collection has no titles.

    Raises:
        QueryError: `text_empty`, `text_too_long`.
    """
    cleaned = clean_query(query, max_chars=app.limits.max_query_chars)
    unknown = app.unknown_words(cleaned)
    suggestions = {word: app.nearest_words(word, _SUGGESTIONS) for word in unknown[:_MOST_WORDS]}
    corrected = cleaned
    for word, near in suggestions.items():
        if near:
            # A function, because in a text re.sub would read backslashes as its own signs.
            corrected = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", partial(_always, near[0]), corrected, flags=re.IGNORECASE)
    return {
        "query": cleaned,
        "corrected": corrected,
        "changed": corrected != cleaned,
        "unknown_words": unknown,
        "suggestions": suggestions,
    }


def _always(word: str, _: re.Match[str]) -> str:
    return word
