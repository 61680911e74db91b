"""Items, results and captions as tables and as JSON, the same for every command."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from terminal import output

if TYPE_CHECKING:
    from crossmodal.items import CaptionResult, Item, SearchResult


def item_as_dict(item: Item) -> dict[str, Any]:
    """What JSON answers say of an item."""
    return {
        "item_id": item.item_id,
        "title": item.title,
        "catalogue": item.catalogue,
        "source": item.source,
        "captions": list(item.captions),
        "attributes": dict(item.attributes),
        "width_px": item.width_px,
        "height_px": item.height_px,
        "content_hash": item.content_hash,
        "added_at": item.added_at,
    }


def show_results(results: Sequence[SearchResult]) -> None:
    """One line a result: rank, score, id, title, catalogue, source."""
    rows = [
        (each.rank, f"{each.score:.4f}", each.item.item_id, each.item.title, each.item.catalogue, each.item.source)
        for each in results
    ]
    output.table(("rank", "score", "id", "title", "catalogue", "source"), rows, numbers=("rank", "score", "id"))


def results_as_json(results: Sequence[SearchResult]) -> None:
    """`{"results": [...]}`, best first; an empty list for none."""
    found = [{"rank": each.rank, "score": round(each.score, 6), **item_as_dict(each.item)} for each in results]
    output.as_json({"results": found})


def show_captions(results: Sequence[CaptionResult]) -> None:
    """One line a caption: rank, score, id, caption."""
    rows = [(each.rank, f"{each.score:.4f}", each.item.item_id, each.caption) for each in results]
    output.table(("rank", "score", "id", "caption"), rows, numbers=("rank", "score", "id"))


def captions_as_json(results: Sequence[CaptionResult]) -> None:
    """`{"captions": [...]}`, best first; an empty list for none."""
    found = [
        {"rank": each.rank, "score": round(each.score, 6), "caption": each.caption, "item_id": each.item.item_id}
        for each in results
    ]
    output.as_json({"captions": found})


def show_items(items: Sequence[Item]) -> None:
    """One line an item: id, title, catalogue, attributes, when it was added, source."""
    rows = [
        (
            item.item_id,
            item.title,
            item.catalogue,
            ", ".join(f"{name}={value}" for name, value in item.attributes.items()),
            datetime.fromtimestamp(item.added_at).strftime("%Y-%m-%d %H:%M"),
            item.source,
        )
        for item in items
    ]
    output.table(("id", "title", "catalogue", "attributes", "added", "source"), rows, numbers=("id",))
