"""The searches behind the routes, each with one row per picture."""

from functools import partial

from api.batching import Terms
from api.distinct import one_per_picture
from api.door import Door
from api.questions import Narrowed
from crossmodal.items import Item, SearchResult


async def by_text(door: Door, query: str, narrowed: Narrowed) -> list[SearchResult]:
    """Together with whatever other queries wait at this moment."""

    async def search(top_k: int) -> list[SearchResult]:
        return await door.batcher.search(query, Terms.of(top_k, narrowed.where, narrowed.min_score))

    return await one_per_picture(search, narrowed.top_k, most=door.app.limits.max_top_k)


async def by_item(door: Door, item: Item, narrowed: Narrowed) -> list[SearchResult]:
    """More like an item; neither it nor another item with the same picture is among them."""

    async def search(top_k: int) -> list[SearchResult]:
        work = partial(door.app.search_by_item, item.item_id, top_k, where=narrowed.where, min_score=narrowed.min_score)
        return await door.run(work)

    return await one_per_picture(search, narrowed.top_k, most=door.app.limits.max_top_k, without=(item.content_hash,))


async def by_picture(door: Door, image: bytes | str, narrowed: Narrowed) -> list[SearchResult]:
    """Like a file or what lies at an address; the very same file is left out."""
    run = door.run_addresses if isinstance(image, str) else door.run_pictures
    picture = await run(door.app.look_at, image)

    async def search(top_k: int) -> list[SearchResult]:
        work = partial(door.app.search_by_picture, picture, top_k, where=narrowed.where, min_score=narrowed.min_score)
        return await door.run_pictures(work)

    return await one_per_picture(search, narrowed.top_k, most=door.app.limits.max_top_k, without=(picture.content_hash,))


async def by_both(
    door: Door, query: str, image: bytes | str, weight: float, narrowed: Narrowed, *, without: tuple[str, ...] = ()
) -> list[SearchResult]:
    """Like a picture and fitting a text; the very same file is left out, and the content hashes `without`."""
    run = door.run_addresses if isinstance(image, str) else door.run_pictures
    picture = await run(door.app.look_at, image)

    async def search(top_k: int) -> list[SearchResult]:
        work = partial(door.app.search_by_query_and_picture, query, picture, top_k, weight=weight)
        return await door.run_pictures(partial(work, where=narrowed.where, min_score=narrowed.min_score))

    return await one_per_picture(search, narrowed.top_k, most=door.app.limits.max_top_k, without=(picture.content_hash, *without))
