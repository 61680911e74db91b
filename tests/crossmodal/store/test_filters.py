"""Filters in the store: any name and any value, against a plain copy."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.made_up import MODEL_ID, made_up_item
from crossmodal.filters import Filter
from crossmodal.store import Store
from crossmodal.store.filters import condition
from crossmodal.store.rows import storable

NAMES = ['co"lour', "price $[0].a", "größe", "a\nb", "'; DROP TABLE items; --", "\0nul", "*", "\ud800", "colour"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store(tmp_path_factory.mktemp("filters") / "catalog.sqlite3") as opened:
        yield opened


def put(store: Store, attributes: list[Mapping[str, str]]) -> list[int]:
    """One item for each, in a collection without others."""
    store.items.remove([item.item_id for item in store.items.page(10_000)])
    store.items.purge()
    entries = [replace(made_up_item(n, source=f"part {n % 2}"), attributes=each) for n, each in enumerate(attributes)]
    return [item.item_id for item in store.items.add_many(entries, model_id=MODEL_ID)]


@pytest.mark.parametrize("name", NAMES)
def test_names_and_values_of_any_characters(store: Store, name: str) -> None:
    ids = put(store, [{name: value} for value in NAMES] + [{}, {"other": name}])
    for place, value in enumerate(NAMES):
        found = store.items.matching(Filter.of({name: value}))
        assert found.dtype == np.int64
        assert found.tolist() == [ids[place]]
    assert store.items.matching(Filter.of({name: NAMES[:3]})).tolist() == ids[:3]
    assert store.items.matching(Filter.of({name: "nothing has this"})).tolist() == []


words = st.sampled_from(["red", "Red", "blue", "", 'a"b', "1", "null", "true", "é"])
tables = st.dictionaries(words.filter(bool), words, max_size=3)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(attributes=st.lists(tables, max_size=8), where=st.dictionaries(words.filter(bool), st.lists(words, min_size=1, max_size=3)))
def test_a_filter_is_equality_on_every_attribute(
    store: Store, attributes: list[Mapping[str, str]], where: Mapping[str, list[str]]
) -> None:
    ids = put(store, attributes)
    expected = [
        item_id
        for item_id, each in zip(ids, attributes, strict=True)
        if all(name in each and each[name] in values for name, values in where.items())
    ]
    assert store.items.matching(Filter.of(where)).tolist() == expected


def test_the_catalogue_is_a_filter_too_and_removed_items_do_not_match(store: Store) -> None:
    ids = put(store, [{"colour": "red"}] * 6)
    assert store.items.matching(Filter.of({"catalogue": "part 1"})).tolist() == ids[1::2]
    assert store.items.matching(Filter.of({"catalogue": ["part 1", "part 0"], "colour": "red"})).tolist() == ids
    store.items.remove([ids[1]])
    assert store.items.matching(Filter.of({"catalogue": "part 1"})).tolist() == ids[3::2]
    assert store.items.matching(Filter.of(None)).tolist() == store.items.matching(Filter.of({})).tolist() == [ids[0], *ids[2:]]


def test_pages_of_a_filter(store: Store) -> None:
    ids = put(store, [{"colour": "red" if n % 3 else "blue"} for n in range(12)])
    where = Filter.of({"colour": "red"})
    pages, after = [], 0
    while page := store.items.matching_page(3, after, where):
        pages.append([item.item_id for item in page])
        after = page[-1].item_id
    assert [item_id for page in pages for item_id in page] == [item_id for n, item_id in enumerate(ids) if n % 3]
    assert all(len(page) == 3 for page in pages[:-1])
    assert [item.item_id for item in store.items.matching_page(100, 0, Filter())] == ids
    assert store.items.matching_page(5, 2**70, Filter()) == []


def test_the_most_frequent_values_of_each_attribute(store: Store) -> None:
    put(store, [{"colour": "red" if n % 3 else "blue", "number": str(n)} for n in range(9)] + [{}])
    found = store.items.attribute_values(2)
    assert found == {"colour": [("red", 6), ("blue", 3)], "number": [("0", 1), ("1", 1)]}
    put(store, [])
    assert store.items.attribute_values(5) == {}


def test_a_condition_takes_only_what_the_database_can_hold() -> None:
    _, values = condition(Filter.of({"\0": "\ud800"}))
    assert values == [storable("\0"), json.dumps([storable("\ud800")])]
