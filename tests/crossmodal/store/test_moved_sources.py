"""A source that is found at another place: its items stay the ones they were."""

from dataclasses import replace

import pytest

from benchmarks.made_up import MODEL_ID, made_up_item
from crossmodal.items import Item, NewItem
from crossmodal.store import Store

OLD, NEW = "/old", "/new"


def entry(number: int, source: str, *, row_key: str = "", title: str = "") -> NewItem:
    made = made_up_item(number, source=source)
    key = f"{source}\n{row_key or f'{number}.jpg'}"
    return replace(made, key=key, title=title or f"title {number}", origin=f"{number}.jpg")


def add(store: Store, source: str, *entries: NewItem) -> list[Item]:
    store.sources.put(source, kind="folder", location=source)
    return store.items.add_many(entries, model_id=MODEL_ID)


@pytest.fixture
def items(store: Store) -> list[Item]:
    """Three items of a source whose folder is gone by now."""
    return add(store, OLD, *(entry(number, OLD) for number in range(3)))


def test_items_keep_their_ids_and_edits_and_the_old_source_is_forgotten(store: Store, items: list[Item]) -> None:
    store.items.edit(items[1].item_id, title="by hand")
    add(store, NEW, *(entry(number, NEW, title=f"other {number}") for number in range(3)))
    assert store.sources.adopt_moved(NEW, [OLD]) == [item.item_id for item in items]
    after = store.items.page(9)
    assert [item.item_id for item in after] == [item.item_id for item in items]
    assert [item.title for item in after] == ["other 0", "by hand", "other 2"]
    assert {item.source for item in after} == {NEW}
    assert [info.name for info in store.sources.all()] == [NEW]
    assert sorted(store.items.known([f"{NEW}\n{number}.jpg" for number in range(3)])) == [
        f"{NEW}\n{number}.jpg" for number in range(3)
    ]
    assert store.changes.count(MODEL_ID) == 3


def test_what_a_person_removed_stays_removed(store: Store, items: list[Item]) -> None:
    store.items.remove([items[0].item_id])
    add(store, NEW, *(entry(number, NEW) for number in range(3)))
    assert store.sources.adopt_moved(NEW, [OLD]) == [items[1].item_id, items[2].item_id]
    assert [item.item_id for item in store.items.page(9)] == [items[1].item_id, items[2].item_id]
    assert store.items.known([f"{NEW}\n0.jpg"])[f"{NEW}\n0.jpg"].removed


def test_items_with_one_image_are_matched_by_their_row(store: Store) -> None:
    def products(source: str, *names: str) -> list[NewItem]:
        return [entry(1, source, row_key=name, title=name) for name in names]

    first, second = add(store, OLD, *products(OLD, "mug", "cup"))
    add(store, NEW, *products(NEW, "cup", "mug"))
    store.sources.adopt_moved(NEW, [OLD])
    assert {item.title: item.item_id for item in store.items.page(9)} == {"mug": first.item_id, "cup": second.item_id}


def test_a_source_that_is_still_there_keeps_its_rows_and_other_images_stay_apart(store: Store, items: list[Item]) -> None:
    add(store, NEW, entry(0, NEW), entry(7, NEW))
    assert store.sources.adopt_moved(NEW, []) == []
    assert store.items.count() == 4
    assert store.sources.counts() == {NEW: 2, OLD: 3}
    assert store.sources.adopt_moved(NEW, [OLD]) == [items[0].item_id]
    assert store.sources.counts() == {NEW: 2, OLD: 2}
    assert {info.name for info in store.sources.all()} == {NEW, OLD}


def test_what_was_purged_does_not_come_back_with_the_move(store: Store, items: list[Item]) -> None:
    store.items.remove([items[0].item_id])
    store.items.purge()
    assert len(add(store, NEW, *(entry(number, NEW) for number in range(3)))) == 2
    assert store.sources.adopt_moved(NEW, [OLD]) == [items[1].item_id, items[2].item_id]
    assert [item.item_id for item in store.items.page(9)] == [items[1].item_id, items[2].item_id]
    assert store.items.refused([f"{NEW}\n0.jpg"]) == {f"{NEW}\n0.jpg"}
    assert [info.name for info in store.sources.all()] == [NEW]


def test_a_purged_product_takes_no_other_with_the_same_image_along(store: Store) -> None:
    def products(source: str) -> list[NewItem]:
        return [entry(1, source, row_key=name, title=name) for name in ("mug", "cup")]

    mug, cup = add(store, OLD, *products(OLD))
    store.items.remove([mug.item_id])
    store.items.purge()
    add(store, NEW, *products(NEW))
    store.sources.adopt_moved(NEW, [OLD])
    assert [(item.item_id, item.title) for item in store.items.page(9)] == [(cup.item_id, "cup")]
