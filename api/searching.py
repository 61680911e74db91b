"""The searches behind the routes, each with one row per picture."""

from dataclasses import replace
from functools import partial
from typing import Any

from api.distinct import one_per_picture
from api.door import Door
from crossmodal.items import Item, SearchResult
from engine.asking import Terms


async def by_text(door: Door, query: str, terms: Terms) -> list[SearchResult]:
    """Together with whatever other queries wait at this moment."""

    async def search(top_k: int) -> list[SearchResult]:
        return await door.batcher.search(query, replace(terms, top_k=top_k))

    return await one_per_picture(search, terms.top_k, most=door.app.limits.max_top_k)


async def by_item(door: Door, item: Item, terms: Terms) -> list[SearchResult]:
    """More like an item; neither it nor another item with the same picture is among them."""

    async def search(top_k: int) -> list[SearchResult]:
        return await door.run(partial(door.app.search_by_item, item.item_id, top_k, **_narrowing(terms)))

    return await one_per_picture(search, terms.top_k, most=door.app.limits.max_top_k, without=(item.content_hash,))


async def by_picture(door: Door, image: bytes | str, terms: Terms) -> list[SearchResult]:
    """Like a file or what lies at an address; the very same file is left out."""
    picture = await door.look_at(image)

    async def search(top_k: int) -> list[SearchResult]:
        return await door.run_pictures(partial(door.app.search_by_picture, picture, top_k, **_narrowing(terms)))

    return await one_per_picture(search, terms.top_k, most=door.app.limits.max_top_k, without=(picture.content_hash,))


async def by_both(
    door: Door, query: str, image: bytes | str, weight: float, terms: Terms, *, without: tuple[str, ...] = ()
) -> list[SearchResult]:
    """Like a picture and fitting a text; the very same file is left out, and the content hashes `without`."""
    picture = await door.look_at(image)

    async def search(top_k: int) -> list[SearchResult]:
        work = partial(door.app.search_by_query_and_picture, query, picture, top_k, weight=weight)
        return await door.run_pictures(partial(work, **_narrowing(terms)))

    return await one_per_picture(search, terms.top_k, most=door.app.limits.max_top_k, without=(picture.content_hash, *without))


def _narrowing(terms: Terms) -> dict[str, Any]:
    return {"where": dict(terms.where), "min_score": terms.min_score}
