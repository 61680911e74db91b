"""What a collection's words can say about a query."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.made_up import MODEL_ID, made_up_item
from crossmodal.items import Item
from crossmodal.store import Store
from engine.spelling import CollectionVocabulary, Vocabulary

TITLES = ["Red striped mug", "striped shirt for men", "blue umbrella", "mug, large"]


def test_unknown_words_in_order_and_once() -> None:
    vocabulary = Vocabulary(TITLES)
    assert vocabulary.unknown("a green STRIPED kettle, green mug") == ["green", "kettle"]
    assert vocabulary.unknown("the red mug") == []
    assert len(vocabulary) == len({"red", "striped", "mug", "shirt", "men", "blue", "umbrella", "large"})


def test_slips_find_the_word_that_was_meant() -> None:
    vocabulary = Vocabulary(TITLES)
    assert vocabulary.near("stripd umbrela") == ["umbrella", "striped"]
    assert vocabulary.near("stripd umbrela", n=1) == ["umbrella"]
    assert vocabulary.near("kleid") == []
    assert vocabulary.near("red striped mug") == []


def test_of_equally_close_words_the_more_frequent_comes_first() -> None:
    assert Vocabulary(["boots", "books", "books new"]).near("boods") == ["books", "boots"]


def test_no_titles_know_and_suggest_nothing() -> None:
    vocabulary = Vocabulary([])
    assert (len(vocabulary), vocabulary.unknown("red mug"), vocabulary.near("red mug")) == (0, ["red", "mug"], [])


@pytest.mark.slow
@given(st.lists(st.text(max_size=20), max_size=5), st.text(st.characters(), max_size=40))
def test_any_text_is_answered(titles: list[str], query: str) -> None:
    vocabulary = Vocabulary(titles)
    assert set(vocabulary.near(query, n=2)).isdisjoint(vocabulary.unknown(query))
    for title in titles:
        assert vocabulary.unknown(title) == []


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "catalog.sqlite3") as store:
        add(store, 1, "umbrella")
        yield store


def add(store: Store, number: int, title: str) -> None:
    store.items.add(replace(made_up_item(number), title=title), model_id=MODEL_ID)


@pytest.fixture
def pages(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many items each counting read."""
    page, counted = store.items.page, []

    def counting(limit: int, *, newest_first: bool) -> list[Item]:
        found = page(limit, newest_first=newest_first)
        counted.append(len(found))
        return found

    monkeypatch.setattr(store.items, "page", counting)
    return counted


def test_a_small_collection_is_followed_at_once(store: Store, pages: list[int]) -> None:
    known = CollectionVocabulary(store)
    assert known.vocabulary().unknown("umbrella kettle") == ["kettle"]
    assert known.vocabulary() is known.vocabulary()
    add(store, 2, "kettle")
    assert known.vocabulary().unknown("umbrella kettle") == []
    assert pages == [1, 2]


def test_a_large_one_is_not_counted_at_every_change(store: Store, pages: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.spelling._FEW_ITEMS", 0)
    known = CollectionVocabulary(store)
    known.vocabulary()
    for number in range(2, 6):
        add(store, number, "kettle")
        known.vocabulary()
    assert pages == [1]
    monkeypatch.setattr("engine.spelling._FRESH_S", 0.0)
    assert known.vocabulary().unknown("kettle") == []
    assert pages == [1, 5]


def test_one_thread_counts_and_the_others_take_what_there_is(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    known, page = CollectionVocabulary(store), store.items.page
    former = known.vocabulary()
    add(store, 2, "kettle")
    counting, go_on = threading.Event(), threading.Event()

    def slow(limit: int, *, newest_first: bool) -> list[Item]:
        counting.set()
        go_on.wait(60)
        return page(limit, newest_first=newest_first)

    monkeypatch.setattr(store.items, "page", slow)
    with ThreadPoolExecutor(1) as threads:
        new = threads.submit(known.vocabulary)
        assert counting.wait(60)
        assert known.vocabulary() is former
        go_on.set()
        assert new.result(60).unknown("kettle") == []


def test_threads_that_come_first_share_one_count(store: Store, pages: list[int]) -> None:
    known = CollectionVocabulary(store)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: known.vocabulary(), range(40)))
    assert pages == [1]
    assert set(map(id, found)) == {id(found[0])}
