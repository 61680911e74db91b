"""Ask the collection what the visitor asked, and time it."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossmodal.errors import CrossmodalError
from crossmodal.items import SearchResult
from ui.question import Narrowing, Query
from ui.state import attempt

if TYPE_CHECKING:
    from upkeep.live_app import LiveApp


@dataclass(frozen=True)
class Answer:
    """Results, how long they took, or why there are none."""

    results: list[SearchResult]
    seconds: float
    problem: CrossmodalError | None = None


def answer(app: "LiveApp", query: Query, narrowing: Narrowing, *, top_k: int) -> Answer:
    """Search for `query`; never raises for anything a person can do."""
    if query.problem is not None:
        return Answer([], 0.0, query.problem)
    start = time.perf_counter()
    found = attempt(_search, app, query, top_k, where=narrowing.where or None, min_score=narrowing.min_score)
    seconds = time.perf_counter() - start
    return Answer([], seconds, found) if isinstance(found, CrossmodalError) else Answer(found, seconds)


def _search(app: "LiveApp", query: Query, top_k: int, **narrowed: Any) -> list[SearchResult]:
    if query.picture is not None and query.words:
        return app.search_by_query_and_picture(query.words, query.picture, top_k, weight=query.balance, **narrowed)
    if query.picture is not None:
        return app.search_by_picture(query.picture, top_k, **narrowed)
    if query.item_id and query.words:
        picture = app.rendition(query.item_id)
        found = app.search_by_both(query.words, picture, top_k + 1, weight=query.balance, **narrowed)
        return [result for result in found if result.item.item_id != query.item_id][:top_k]
    if query.item_id:
        return app.search_by_item(query.item_id, top_k, **narrowed)
    return app.search_by_text(query.words, top_k, **narrowed)


def is_address(words: str) -> bool:
    """Whether what was typed as words is the address of something on the web."""
    return words.strip().lower().startswith(("http://", "https://")) and " " not in words.strip()
