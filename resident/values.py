"""Items and results as JSON documents, there and back."""

from collections.abc import Sequence
from typing import Any

from crossmodal.items import CaptionResult, Item, SearchResult

_PLAIN = ("item_id", "title", "catalogue", "content_hash", "width_px", "height_px", "added_at", "source", "held_out")


def item_document(item: Item) -> dict[str, Any]:
    """An item, whole."""
    return {name: getattr(item, name) for name in _PLAIN} | {
        "captions": list(item.captions),
        "attributes": dict(item.attributes),
    }


def item_of(document: dict[str, Any]) -> Item:
    """Raises KeyError or TypeError for a document that is none of `item_document`."""
    return Item(
        **{name: document[name] for name in _PLAIN},
        captions=tuple(document["captions"]),
        attributes=dict(document["attributes"]),
    )


def results_document(results: Sequence[SearchResult]) -> dict[str, Any]:
    """Results in their order."""
    return {"results": [{"item": item_document(each.item), "score": each.score, "rank": each.rank} for each in results]}


def results_of(document: dict[str, Any]) -> list[SearchResult]:
    """Raises KeyError or TypeError as `item_of`."""
    return [SearchResult(item_of(each["item"]), each["score"], each["rank"]) for each in document["results"]]


def captions_document(results: Sequence[CaptionResult]) -> dict[str, Any]:
    """Captions in their order."""
    return {
        "captions": [
            {"item": item_document(each.item), "caption": each.caption, "score": each.score, "rank": each.rank} for each in results
        ]
    }


def captions_of(document: dict[str, Any]) -> list[CaptionResult]:
    """Raises KeyError or TypeError as `item_of`."""
    return [CaptionResult(item_of(each["item"]), each["caption"], each["score"], each["rank"]) for each in document["captions"]]
