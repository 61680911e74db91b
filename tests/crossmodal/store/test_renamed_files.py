"""A row that came back under another key: its item stays the one it was."""

import time
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.made_up import MODEL_ID, made_up_item
from crossmodal.items import Item, NewItem
from crossmodal.store import Store

SHOP = "shop"


@pytest.fixture
def items(store: Store) -> list[Item]:
    """Three items of a catalogue that was read to its end."""
    stored = store.items.add_many([entry(number) for number in range(3)], model_id=MODEL_ID)
    store.sources.put(SHOP, kind="folder", location="shop", completed_at=time.time())
    return stored


def entry(number: int, **changes: object) -> NewItem:
    made = made_up_item(number, source=SHOP)
    return replace(made, **{"title": f"title {number}", "origin": f"{number}.jpg", **changes})  # type: ignore[arg-type]


def keys(*numbers: int) -> list[str]:
    return [entry(number).key for number in numbers]


def moved(number: int, *, title: str = "a new name") -> NewItem:
    """The picture of an item, in a row with another key."""
    return entry(number, key=f"moved {number}", title=title, origin="moved.jpg")


def test_the_item_keeps_its_id_and_has_the_words_of_its_new_row(store: Store, items: list[Item]) -> None:
    before = store.changes.since(MODEL_ID)
    [new] = store.items.add_many([moved(1)], model_id=MODEL_ID)
    assert store.sources.detect_renames(SHOP, [*keys(0, 2), "moved 1"]) == [items[1].item_id]
    assert store.sources.remove_missing(SHOP, [*keys(0, 2), "moved 1"]) == ([], 0)
    assert store.items.get(items[1].item_id) == replace(items[1], title="a new name", origin="moved.jpg")
    assert [item.item_id for item in store.items.page(9)] == [item.item_id for item in items]
    assert store.items.known(["moved 1"])["moved 1"].item.item_id == items[1].item_id
    assert store.items.known(keys(1)) == {}
    news = store.changes.since(MODEL_ID, after_seq=before.seq, after_removal=before.removal_seq)
    assert new.item_id in news.removed_ids.tolist()
    assert new.item_id not in store.changes.since(MODEL_ID).item_ids.tolist()
    assert store.models.counts() == {MODEL_ID: 3}


def test_words_and_attributes_edited_by_hand_stay(store: Store, items: list[Item]) -> None:
    edited = store.items.edit(items[1].item_id, title="my own title", attributes={"room": "kitchen"})
    store.items.add_many([moved(1)], model_id=MODEL_ID)
    store.sources.detect_renames(SHOP, [*keys(0, 2), "moved 1"])
    assert store.items.get(items[1].item_id) == replace(edited, origin="moved.jpg")


def test_one_that_went_before_comes_back_and_one_a_person_removed_does_not(store: Store, items: list[Item]) -> None:
    store.sources.remove_missing(SHOP, keys(1, 2))
    store.items.remove([items[1].item_id])
    store.items.add_many([moved(0), moved(1)], model_id=MODEL_ID)
    assert store.sources.detect_renames(SHOP, [*keys(2), "moved 0", "moved 1"]) == [items[0].item_id]
    assert store.items.get(items[0].item_id).origin == "moved.jpg"
    assert items[0].item_id in store.changes.since(MODEL_ID).item_ids.tolist()
    assert items[1].item_id not in [item.item_id for item in store.items.page(9)]
    assert store.items.count() == 3


def test_a_copy_that_was_there_before_stays_an_item_of_its_own(store: Store, items: list[Item]) -> None:
    copy = store.items.add_many([moved(1)], model_id=MODEL_ID)[0]
    store.sources.put(SHOP, kind="folder", location="shop", completed_at=time.time())
    assert store.sources.detect_renames(SHOP, [*keys(0, 2), "moved 1"]) == []
    assert store.sources.remove_missing(SHOP, [*keys(0, 2), "moved 1"]) == ([items[1].item_id], 0)
    assert copy.item_id in [item.item_id for item in store.items.page(9)]


def test_a_new_copy_takes_nothing_from_a_row_that_is_there(store: Store, items: list[Item]) -> None:
    store.items.add_many([moved(1)], model_id=MODEL_ID)
    assert store.sources.detect_renames(SHOP, [*keys(0, 1, 2), "moved 1"]) == []
    assert store.items.count() == 4


def test_of_equal_pictures_each_new_row_takes_one_old_item(store: Store, items: list[Item]) -> None:
    twin = store.items.add_many([entry(1, key="twin")], model_id=MODEL_ID)[0]
    store.sources.put(SHOP, kind="folder", location="shop", completed_at=time.time())
    store.items.add_many([moved(1), replace(moved(1), key="again"), replace(moved(1), key="a third")], model_id=MODEL_ID)
    assert store.sources.detect_renames(SHOP, [*keys(0, 2), "moved 1", "again", "a third"]) == [items[1].item_id, twin.item_id]
    assert store.items.count() == 5


def test_another_catalogue_is_left_alone(store: Store, items: list[Item]) -> None:
    other = store.items.add_many([replace(moved(1), source="other")], model_id=MODEL_ID)[0]
    assert store.sources.detect_renames(SHOP, keys(0, 2)) == []
    assert store.items.get(other.item_id) == other


def test_a_catalogue_that_was_never_read_to_its_end_has_nothing_renamed(store: Store) -> None:
    store.sources.put(SHOP, kind="folder", location="shop")
    store.items.add_many([entry(0), moved(0)], model_id=MODEL_ID)
    assert store.sources.detect_renames(SHOP, ["moved 0"]) == []
    assert store.sources.detect_renames("no such catalogue", []) == []


def test_the_embedding_of_a_model_that_reads_titles_is_that_of_the_new_title(store: Store, items: list[Item]) -> None:
    other = made_up_item(7).embedding
    store.embeddings.add("another model", [(items[1], made_up_item(5).embedding)])
    store.items.add_many([replace(moved(1), embedding=other)], model_id=MODEL_ID)
    store.sources.detect_renames(SHOP, [*keys(0, 2), "moved 1"], title_models=[MODEL_ID])
    np.testing.assert_array_equal(store.embeddings.get(items[1].item_id, MODEL_ID), other)
    np.testing.assert_array_equal(store.embeddings.get(items[1].item_id, "another model"), made_up_item(5).embedding)


def test_edited_by_hand_its_embedding_stays_that_of_its_own_title(store: Store, items: list[Item]) -> None:
    store.items.edit(items[1].item_id, title="my own title")
    store.items.add_many([replace(moved(1), embedding=made_up_item(7).embedding)], model_id=MODEL_ID)
    store.sources.detect_renames(SHOP, [*keys(0, 2), "moved 1"], title_models=[MODEL_ID])
    np.testing.assert_array_equal(store.embeddings.get(items[1].item_id, MODEL_ID), entry(1).embedding)


def test_an_embedding_the_old_item_lacked_comes_with_the_new_one(store: Store, items: list[Item]) -> None:
    store.items.add_many([moved(1)], model_id="the next model")
    assert store.sources.detect_renames(SHOP, [*keys(0, 2), "moved 1"]) == [items[1].item_id]
    np.testing.assert_array_equal(store.embeddings.get(items[1].item_id, "the next model"), entry(1).embedding)
    assert store.models.counts() == {MODEL_ID: 3, "the next model": 1}


def test_texts_of_the_new_row_are_said_by_the_item_that_stayed(store: Store, items: list[Item]) -> None:
    said = {MODEL_ID: {"a new name": made_up_item(9).embedding}}
    store.items.add_many([replace(moved(1), captions=())], model_id=MODEL_ID, text_embeddings=said)
    store.sources.detect_renames(SHOP, [*keys(0, 2), "moved 1"])
    [text_id] = store.texts.ids_of_item(items[1].item_id)
    assert store.texts.items_with_text([text_id]) == {text_id: ("a new name", items[1].item_id)}
    assert store.texts.embedded(["a new name", "title 1"], MODEL_ID) == {"a new name"}
