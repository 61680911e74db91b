"""The collection's words: at once in a small collection, now and then in a large one, and never counted twice at a time."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.made_up import MODEL_ID, made_up_item
from crossmodal.catalog import Catalog
from crossmodal.items import Item
from upkeep.known_words import KnownWords


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog(tmp_path / "catalog.sqlite3") as catalog:
        add(catalog, 1, "umbrella")
        yield catalog


def add(catalog: Catalog, number: int, title: str) -> None:
    catalog.add(replace(made_up_item(number), title=title), model_id=MODEL_ID)


@pytest.fixture
def pages(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many items each counting read."""
    page, counted = catalog.page, []

    def counting(limit: int, *, newest_first: bool) -> list[Item]:
        found = page(limit, newest_first=newest_first)
        counted.append(len(found))
        return found

    monkeypatch.setattr(catalog, "page", counting)
    return counted


def test_a_small_collection_is_followed_at_once(catalog: Catalog, pages: list[int]) -> None:
    known = KnownWords(catalog)
    assert known.vocabulary().unknown("umbrella kettle") == ["kettle"]
    assert known.vocabulary() is known.vocabulary()
    add(catalog, 2, "kettle")
    assert known.vocabulary().unknown("umbrella kettle") == []
    assert pages == [1, 2]


def test_a_large_one_is_not_counted_at_every_change(catalog: Catalog, pages: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upkeep.known_words._FEW_ITEMS", 0)
    known = KnownWords(catalog)
    known.vocabulary()
    for number in range(2, 6):
        add(catalog, number, "kettle")
        known.vocabulary()
    assert pages == [1]
    monkeypatch.setattr("upkeep.known_words._FRESH_S", 0.0)
    assert known.vocabulary().unknown("kettle") == []
    assert pages == [1, 5]


def test_one_thread_counts_and_the_others_take_what_there_is(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    known, page = KnownWords(catalog), catalog.page
    former = known.vocabulary()
    add(catalog, 2, "kettle")
    counting, go_on = threading.Event(), threading.Event()

    def slow(limit: int, *, newest_first: bool) -> list[Item]:
        counting.set()
        go_on.wait(60)
        return page(limit, newest_first=newest_first)

    monkeypatch.setattr(catalog, "page", slow)
    with ThreadPoolExecutor(1) as threads:
        new = threads.submit(known.vocabulary)
        assert counting.wait(60)
        assert known.vocabulary() is former
        go_on.set()
        assert new.result(60).unknown("kettle") == []


def test_threads_that_come_first_share_one_count(catalog: Catalog, pages: list[int]) -> None:
    known = KnownWords(catalog)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: known.vocabulary(), range(40)))
    assert pages == [1]
    assert set(map(id, found)) == {id(found[0])}
