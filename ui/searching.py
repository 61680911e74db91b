"""Ask the collection what the visitor asked, and time it."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossmodal.errors import CrossmodalError
from crossmodal.items import SearchResult
from ui.state import Query, attempt

if TYPE_CHECKING:
    from live_app import LiveApp


@dataclass(frozen=True)
class Answer:
    """Results, how long they took, or why there are none."""

    results: list[SearchResult]
    seconds: float
    problem: CrossmodalError | None = None


def answer(app: "LiveApp", query: Query, *, top_k: int) -> Answer:
    """Search for `query`; never raises for anything a person can do."""
    if query.problem is not None:
        return Answer([], 0.0, query.problem)
    start = time.perf_counter()
    if query.picture is not None:
        found = attempt(app.search_by_picture, query.picture, top_k)
    elif query.item_id:
        found = attempt(app.search_by_item, query.item_id, top_k)
    else:
        found = attempt(app.search_by_text, query.words, top_k)
    seconds = time.perf_counter() - start
    return Answer([], seconds, found) if isinstance(found, CrossmodalError) else Answer(found, seconds)


def is_address(words: str) -> bool:
    """Whether what was typed as words is the address of something on the web."""
    return words.strip().lower().startswith(("http://", "https://")) and " " not in words.strip()
