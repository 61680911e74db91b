"""One row per picture, against a slow plain copy."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.routes.search import one_per_picture
from crossmodal.items import Item, SearchResult


def results(pictures: list[int]) -> list[SearchResult]:
    items = [Item(number, "", "", str(picture), 1, 1, 0.0) for number, picture in enumerate(pictures, start=1)]
    return [SearchResult(item, 1 - rank / 1000, rank) for rank, item in enumerate(items, start=1)]


@pytest.mark.slow
@given(st.lists(st.integers(0, 6), max_size=40), st.integers(1, 12), st.sets(st.integers(0, 6), max_size=2))
def test_the_best_of_each_picture_in_order(pictures: list[int], top_k: int, without: set[int]) -> None:
    everything, asked = results(pictures), list[int]()

    async def search(most: int) -> list[SearchResult]:
        asked.append(most)
        return everything[:most]

    left_out = [str(picture) for picture in without]
    found = asyncio.run(one_per_picture(search, top_k, most=50, without=left_out))
    wanted: list[SearchResult] = []
    for result in everything:
        known = {kept.item.content_hash for kept in wanted}
        if result.item.content_hash not in known | set(left_out) and len(wanted) < top_k:
            wanted.append(result)
    assert [result.item for result in found] == [result.item for result in wanted]
    assert [result.score for result in found] == [result.score for result in wanted]
    assert [result.rank for result in found] == list(range(1, len(found) + 1))
    assert asked == sorted(set(asked))


def test_without_equal_pictures_it_asks_once() -> None:
    asked = []

    async def search(most: int) -> list[SearchResult]:
        asked.append(most)
        return results(list(range(100)))[:most]

    assert len(asyncio.run(one_per_picture(search, 5, most=50))) == 5
    assert asked == [5]
