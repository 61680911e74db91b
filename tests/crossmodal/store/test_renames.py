"""A row that came back under another key: its item stays the one it was."""

import time
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.made_up import MODEL_ID, made_up_item
from crossmodal.items import Item, NewItem
from crossmodal.store import Catalog

SHOP = "shop"


@pytest.fixture
def items(catalog: Catalog) -> list[Item]:
    """Three items of a catalogue that was read to its end."""
    stored = catalog.add_many([entry(number) for number in range(3)], model_id=MODEL_ID)
    catalog.put_catalogue(SHOP, kind="folder", location="shop", completed_at=time.time())
    return stored


def entry(number: int, **changes: object) -> NewItem:
    made = made_up_item(number, catalogue=SHOP)
    return replace(made, **{"title": f"title {number}", "source": f"{number}.jpg", **changes})  # type: ignore[arg-type]


def keys(*numbers: int) -> list[str]:
    return [entry(number).key for number in numbers]


def moved(number: int, *, title: str = "a new name") -> NewItem:
    """The picture of an item, in a row with another key."""
    return entry(number, key=f"moved {number}", title=title, source="moved.jpg")


def test_the_item_keeps_its_id_and_has_the_words_of_its_new_row(catalog: Catalog, items: list[Item]) -> None:
    before = catalog.changes(MODEL_ID)
    [new] = catalog.add_many([moved(1)], model_id=MODEL_ID)
    assert catalog.follow_renames(SHOP, [*keys(0, 2), "moved 1"]) == [items[1].item_id]
    assert catalog.remove_missing(SHOP, [*keys(0, 2), "moved 1"]) == ([], 0)
    assert catalog.item(items[1].item_id) == replace(items[1], title="a new name", source="moved.jpg")
    assert [item.item_id for item in catalog.page(9)] == [item.item_id for item in items]
    assert catalog.known(["moved 1"])["moved 1"].item.item_id == items[1].item_id
    assert catalog.known(keys(1)) == {}
    news = catalog.changes(MODEL_ID, after_seq=before.seq, after_removal=before.removal_seq)
    assert new.item_id in news.removed_ids.tolist()
    assert new.item_id not in catalog.changes(MODEL_ID).item_ids.tolist()
    assert catalog.models() == {MODEL_ID: 3}


def test_words_and_attributes_edited_by_hand_stay(catalog: Catalog, items: list[Item]) -> None:
    edited = catalog.update_item(items[1].item_id, title="my own title", attributes={"room": "kitchen"})
    catalog.add_many([moved(1)], model_id=MODEL_ID)
    catalog.follow_renames(SHOP, [*keys(0, 2), "moved 1"])
    assert catalog.item(items[1].item_id) == replace(edited, source="moved.jpg")


def test_one_that_went_before_comes_back_and_one_a_person_removed_does_not(catalog: Catalog, items: list[Item]) -> None:
    catalog.remove_missing(SHOP, keys(1, 2))
    catalog.remove([items[1].item_id])
    catalog.add_many([moved(0), moved(1)], model_id=MODEL_ID)
    assert catalog.follow_renames(SHOP, [*keys(2), "moved 0", "moved 1"]) == [items[0].item_id]
    assert catalog.item(items[0].item_id).source == "moved.jpg"
    assert items[0].item_id in catalog.changes(MODEL_ID).item_ids.tolist()
    assert items[1].item_id not in [item.item_id for item in catalog.page(9)]
    assert catalog.count() == 3


def test_a_copy_that_was_there_before_stays_an_item_of_its_own(catalog: Catalog, items: list[Item]) -> None:
    copy = catalog.add_many([moved(1)], model_id=MODEL_ID)[0]
    catalog.put_catalogue(SHOP, kind="folder", location="shop", completed_at=time.time())
    assert catalog.follow_renames(SHOP, [*keys(0, 2), "moved 1"]) == []
    assert catalog.remove_missing(SHOP, [*keys(0, 2), "moved 1"]) == ([items[1].item_id], 0)
    assert copy.item_id in [item.item_id for item in catalog.page(9)]


def test_a_new_copy_takes_nothing_from_a_row_that_is_there(catalog: Catalog, items: list[Item]) -> None:
    catalog.add_many([moved(1)], model_id=MODEL_ID)
    assert catalog.follow_renames(SHOP, [*keys(0, 1, 2), "moved 1"]) == []
    assert catalog.count() == 4


def test_of_equal_pictures_each_new_row_takes_one_old_item(catalog: Catalog, items: list[Item]) -> None:
    twin = catalog.add_many([entry(1, key="twin")], model_id=MODEL_ID)[0]
    catalog.put_catalogue(SHOP, kind="folder", location="shop", completed_at=time.time())
    catalog.add_many([moved(1), replace(moved(1), key="again"), replace(moved(1), key="a third")], model_id=MODEL_ID)
    assert catalog.follow_renames(SHOP, [*keys(0, 2), "moved 1", "again", "a third"]) == [items[1].item_id, twin.item_id]
    assert catalog.count() == 5


def test_another_catalogue_is_left_alone(catalog: Catalog, items: list[Item]) -> None:
    other = catalog.add_many([replace(moved(1), catalogue="other")], model_id=MODEL_ID)[0]
    assert catalog.follow_renames(SHOP, keys(0, 2)) == []
    assert catalog.item(other.item_id) == other


def test_a_catalogue_that_was_never_read_to_its_end_has_nothing_renamed(catalog: Catalog) -> None:
    catalog.put_catalogue(SHOP, kind="folder", location="shop")
    catalog.add_many([entry(0), moved(0)], model_id=MODEL_ID)
    assert catalog.follow_renames(SHOP, ["moved 0"]) == []
    assert catalog.follow_renames("no such catalogue", []) == []


def test_the_embedding_of_a_model_that_reads_titles_is_that_of_the_new_title(catalog: Catalog, items: list[Item]) -> None:
    other = made_up_item(7).embedding
    catalog.add_embeddings("another model", [(items[1], made_up_item(5).embedding)])
    catalog.add_many([replace(moved(1), embedding=other)], model_id=MODEL_ID)
    catalog.follow_renames(SHOP, [*keys(0, 2), "moved 1"], titled=[MODEL_ID])
    np.testing.assert_array_equal(catalog.embedding(items[1].item_id, MODEL_ID), other)
    np.testing.assert_array_equal(catalog.embedding(items[1].item_id, "another model"), made_up_item(5).embedding)


def test_edited_by_hand_its_embedding_stays_that_of_its_own_title(catalog: Catalog, items: list[Item]) -> None:
    catalog.update_item(items[1].item_id, title="my own title")
    catalog.add_many([replace(moved(1), embedding=made_up_item(7).embedding)], model_id=MODEL_ID)
    catalog.follow_renames(SHOP, [*keys(0, 2), "moved 1"], titled=[MODEL_ID])
    np.testing.assert_array_equal(catalog.embedding(items[1].item_id, MODEL_ID), entry(1).embedding)


def test_an_embedding_the_old_item_lacked_comes_with_the_new_one(catalog: Catalog, items: list[Item]) -> None:
    catalog.add_many([moved(1)], model_id="the next model")
    assert catalog.follow_renames(SHOP, [*keys(0, 2), "moved 1"]) == [items[1].item_id]
    np.testing.assert_array_equal(catalog.embedding(items[1].item_id, "the next model"), entry(1).embedding)
    assert catalog.models() == {MODEL_ID: 3, "the next model": 1}


def test_texts_of_the_new_row_are_said_by_the_item_that_stayed(catalog: Catalog, items: list[Item]) -> None:
    said = {MODEL_ID: {"a new name": made_up_item(9).embedding}}
    catalog.add_many([replace(moved(1), captions=())], model_id=MODEL_ID, said=said)
    catalog.follow_renames(SHOP, [*keys(0, 2), "moved 1"])
    [text_id] = catalog.texts_of_item(items[1].item_id)
    assert catalog.speakers([text_id]) == {text_id: ("a new name", items[1].item_id)}
    assert catalog.embedded_texts(["a new name", "title 1"], MODEL_ID) == {"a new name"}
