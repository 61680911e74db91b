"""One row per picture: the same file may be in the collection under several items."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace

from crossmodal.items import SearchResult

Search = Callable[[int], Awaitable[list[SearchResult]]]
"""Answers up to so many results, best first."""


async def one_per_picture(search: Search, top_k: int, *, most: int, without: Collection[str] = ()) -> list[SearchResult]:
    """Up to `top_k` results that show different pictures, ranked anew; of equal pictures the best stays.

    Args:
        search: asked again for twice as many while equal pictures took places and there may be more.
        most: what `search` may be asked for at most.
        without: content hashes that are left out, such as the query's own.
    """
    wanted = min(top_k + len(without), most)
    while True:
        found = await search(wanted)
        kept: dict[str, SearchResult] = {}
        for result in found:
            if result.item.content_hash not in without:
                kept.setdefault(result.item.content_hash, result)
        if len(kept) >= top_k or len(found) < wanted or wanted >= most:
            return [replace(result, rank=rank) for rank, result in enumerate(list(kept.values())[:top_k], start=1)]
        wanted = min(2 * wanted, most)
