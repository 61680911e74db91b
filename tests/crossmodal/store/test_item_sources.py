"""Items that several sources show: which row belongs to which item, and how the words of rows are joined."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.made_up import MODEL_ID, made_up_item
from crossmodal.errors import QueryError, StoreError
from crossmodal.filters import Filter
from crossmodal.items import Item, ItemSource, NewItem
from crossmodal.store import ItemTexts, Store
from crossmodal.store.item_sources import joined

FOLDER, TABLE, OTHER = "/photos", "/photos/captions.csv", "/elsewhere.csv"
KINDS = {FOLDER: "folder", TABLE: "csv", OTHER: "parquet"}


def row(source: str, title: str = "", *, number: int = 1, key: str = "", **words: object) -> NewItem:
    """A row about a picture; in a folder it is named after its file."""
    origin = f"{number}_mug.jpg"
    plain = {
        "key": f"{source}\n{key or origin}",
        "origin": origin,
        "title": title or f"{number} mug",
        "captions": (),
        "attributes": {},
    }
    return replace(made_up_item(number, source=source), **{**plain, **words})  # type: ignore[arg-type]


def add(store: Store, *entries: NewItem) -> list[Item]:
    for source in {entry.source for entry in entries} & KINDS.keys():
        store.sources.put(source, kind=KINDS[source], location=source)
    return store.items.add_many(entries, model_id=MODEL_ID)


def words(item: Item) -> tuple[str, tuple[str, ...], Mapping[str, str]]:
    return item.title, item.captions, item.attributes


def test_a_folder_and_a_table_of_its_files_are_one_collection(store: Store) -> None:
    items = add(store, *(row(FOLDER, number=number) for number in range(3)))
    changes = store.changes.since(MODEL_ID)
    joined_items = add(
        store, *(row(TABLE, f"Mug no. {number}", number=number, attributes={"no": str(number)}) for number in range(3))
    )
    assert [item.item_id for item in joined_items] == [item.item_id for item in items]
    assert words(store.items.get(items[1].item_id)) == ("Mug no. 1", (), {"no": "1"}), "a file's name gives way to a title"
    assert store.sources.counts() == {FOLDER: 3, TABLE: 3}
    assert {info.name: info.items for info in store.sources.all()} == {FOLDER: 3, TABLE: 3}
    assert store.items.count() == store.items.count(source=FOLDER) == store.items.count(source=TABLE) == 3
    assert [item.item_id for item in store.items.page(9, source=TABLE)] == [item.item_id for item in items]
    assert store.items.matching(Filter.of({"catalogue": TABLE})).tolist() == [item.item_id for item in items]
    assert store.changes.since(MODEL_ID, after_seq=changes.seq).item_ids.size == 0, "no embedding changed"
    assert [each.source for each in store.items.sources(items[0].item_id)] == [FOLDER, TABLE]


def test_captions_are_joined_without_repeats_and_found(store: Store) -> None:
    [item] = add(store, row(FOLDER, "a red mug", captions=("a red mug", "a mug on a table")))
    add(store, row(TABLE, "A mug", captions=("a mug on a table", "a mug with a handle")))
    [item] = add(store, row(OTHER, "Mug, 0.3 l", held_out=False))
    captions = ("a red mug", "a mug on a table", "a mug with a handle", "Mug, 0.3 l")
    assert words(item) == ("a red mug", captions, {})
    assert {text for text, _ in store.texts.items_with_text(store.texts.ids_of_item(item.item_id)).values()} == {*captions}
    assert store.texts.count() == 4


def test_the_first_value_of_an_attribute_stays_and_held_out_is_held_out_everywhere(store: Store) -> None:
    add(store, row(TABLE, "mug", attributes={"colour": "red"}, held_out=False))
    [item] = add(store, row(OTHER, "mug", attributes={"colour": "blue", "size": "3"}, held_out=True))
    assert words(item) == ("mug", (), {"colour": "red", "size": "3"})
    assert item.held_out


def test_products_with_one_photo_stay_apart_and_find_theirs_again(store: Store) -> None:
    [photo] = add(store, row(FOLDER))
    red, blue, again = add(
        store,
        row(TABLE, "red mug", key="1"),
        row(TABLE, "blue mug", key="2"),
        row(TABLE, "red mug", key="3", captions=("a mug",)),
    )
    assert red.item_id == photo.item_id != blue.item_id
    assert again.item_id == red.item_id, "the same title and attributes in one table: one item"
    other = add(store, row(OTHER, "blue mug", key="b"), row(OTHER, "red mug", key="a"))
    assert [item.item_id for item in other] == [blue.item_id, red.item_id]
    assert store.items.count() == 2
    assert store.sources.counts() == {FOLDER: 1, TABLE: 2, OTHER: 2}


def test_rows_of_a_table_that_differ_in_attributes_stay_apart(store: Store) -> None:
    items = add(store, *(row(TABLE, "mug", key=size, attributes={"size": size}) for size in "SML"))
    assert len({item.item_id for item in items}) == 3
    assert store.items.get_many([item.item_id for item in items]) == items


def test_equal_files_of_a_folder_stay_apart_and_each_row_finds_its_own(store: Store) -> None:
    copies = add(store, *(row(FOLDER, "mug", key=key, origin=key) for key in ("a/mug.jpg", "b/mug.jpg")))
    assert copies[0].item_id != copies[1].item_id
    named = add(store, *(row(TABLE, f"mug {key}", key=key, origin=key) for key in ("b/mug.jpg", "a/mug.jpg")))
    assert [item.item_id for item in named] == [copies[1].item_id, copies[0].item_id]
    by_origin = add(store, *(row(OTHER, f"cup {key}", key=f"id {key}", origin=key) for key in ("b/mug.jpg", "a/mug.jpg")))
    assert [item.item_id for item in by_origin] == [copies[1].item_id, copies[0].item_id]


def test_a_source_that_goes_takes_its_words_along_and_leaves_the_item(store: Store) -> None:
    [item] = add(store, row(FOLDER))
    add(store, row(TABLE, "red mug", captions=("a mug",), attributes={"no": "1"}))
    assert store.sources.remove(TABLE) == []
    assert store.items.get(item.item_id) == item
    assert store.texts.count() == 1
    assert store.sources.counts() == {FOLDER: 1}
    add(store, row(TABLE, "red mug"))
    assert store.sources.remove(FOLDER) == []
    [left] = store.items.page(9)
    assert (left.item_id, left.title, left.source) == (item.item_id, "red mug", TABLE)
    assert store.sources.remove(TABLE) == [item.item_id]
    assert store.items.count() == 0


def test_a_row_that_goes_leaves_the_item_while_another_has_it(store: Store) -> None:
    [item] = add(store, row(FOLDER))
    add(store, row(TABLE, "red mug"))
    assert store.sources.remove_missing(TABLE, []) == ([], 0)
    assert store.items.get(item.item_id) == item
    assert store.items.known([row(TABLE).key]) == {}
    assert store.sources.remove_missing(FOLDER, []) == ([item.item_id], 0)
    assert [each.item_id for each in add(store, row(TABLE, "red mug"))] == [item.item_id], "it comes back with any row"
    assert [each.source for each in store.items.sources(item.item_id)] == [TABLE]


def test_what_a_person_edited_stays_with_new_sources_and_gets_their_captions(store: Store) -> None:
    [item] = add(store, row(FOLDER))
    store.items.edit(item.item_id, title="my mug", attributes={"shelf": "3"})
    [item] = add(store, row(TABLE, "red mug", captions=("a mug", "a cup"), attributes={"no": "1"}))
    assert words(item) == ("my mug", ("my mug", "a mug", "a cup"), {"shelf": "3"})
    store.sources.remove(TABLE)
    assert words(store.items.get(item.item_id)) == ("my mug", (), {"shelf": "3"})


def test_what_a_person_removed_stays_removed_with_new_sources_and_comes_back_by_hand(store: Store) -> None:
    [item] = add(store, row(FOLDER))
    store.items.remove([item.item_id])
    add(store, row(TABLE, "red mug"))
    assert store.items.count() == 0
    assert store.items.known([row(TABLE).key])[row(TABLE).key].removed
    [back] = add(store, row("added", "my mug"))
    assert (back.item_id, back.captions) == (item.item_id, ("red mug", "my mug"))
    assert store.items.count() == 1


def test_what_was_purged_stays_away_from_other_sources_but_not_by_hand(store: Store) -> None:
    [item] = add(store, row(FOLDER))
    store.items.remove([item.item_id])
    store.items.purge()
    assert add(store, row(TABLE, "red mug"), row(TABLE, "cup", number=2))[0].title == "cup"
    assert store.items.refused([row(FOLDER).key, row(TABLE).key]) == {row(FOLDER).key, row(TABLE).key}
    store.sources.put(OTHER, kind="parquet", location=OTHER)
    with pytest.raises(StoreError):
        store.items.add(row(OTHER, "mug"), model_id=MODEL_ID)
    assert [each.title for each in add(store, row("added", "my mug"))] == ["my mug"]


def test_a_picture_that_changes_in_one_source_only_becomes_an_item_of_its_own(store: Store) -> None:
    [item] = add(store, row(FOLDER))
    add(store, row(TABLE, "red mug"))
    new = made_up_item(9).picture
    [changed] = add(store, row(FOLDER, picture=new))
    assert changed.item_id != item.item_id
    assert (changed.title, store.items.get(item.item_id).title) == ("1 mug", "red mug")
    [followed] = add(store, row(TABLE, "red mug", picture=new))
    assert followed.item_id == item.item_id, "the older item keeps its id"
    assert [each.source for each in store.items.sources(item.item_id)] == [TABLE, FOLDER]
    assert [each.item_id for each in store.items.page(9)] == [item.item_id]
    assert store.models.counts() == {MODEL_ID: 1}
    assert changed.item_id in store.changes.since(MODEL_ID).removed_ids


def test_renaming_a_file_leaves_the_item_with_its_other_sources(store: Store) -> None:
    [item] = add(store, row(FOLDER))
    add(store, row(TABLE, "red mug"))
    store.sources.put(FOLDER, kind="folder", location=FOLDER, completed_at=0.0)
    add(store, row(FOLDER, "cup", key="cup.jpg", origin="cup.jpg"))
    present = [row(FOLDER, key="cup.jpg").key]
    assert store.sources.detect_renames(FOLDER, present) == [item.item_id]
    assert store.sources.remove_missing(FOLDER, present) == ([], 0)
    assert [(each.source, each.origin) for each in store.items.sources(item.item_id)] == [(TABLE, "1_mug.jpg"), (FOLDER, "cup.jpg")]


def test_words_of_one_row_change_within_the_joined_ones(store: Store) -> None:
    [item] = add(store, row(FOLDER))
    add(store, row(TABLE, "red mug"), row(OTHER, "old mug"))
    change = ItemTexts(row(OTHER).key, "large mug", "1_mug.jpg", ("a large mug",))
    assert store.items.update_texts([change]) == 1
    assert store.items.update_texts([change]) == 0
    assert words(store.items.get(item.item_id)) == ("red mug", ("red mug", "a large mug"), {})


def test_the_embedding_of_another_title_is_not_stored_for_a_model_that_reads_titles(store: Store) -> None:
    [item] = add(store, row(TABLE, "red mug"))
    store.sources.put(OTHER, kind="csv", location=OTHER)
    other = made_up_item(5).embedding
    store.items.add_many([row(OTHER, "cup", embedding=other)], model_id=MODEL_ID, title_models=[MODEL_ID])
    np.testing.assert_array_equal(store.embeddings.get(item.item_id, MODEL_ID), row(TABLE).embedding)
    store.sources.remove_missing(TABLE, [], title_models=[MODEL_ID])
    assert store.items.get(item.item_id).title == "cup"
    assert store.embeddings.missing(MODEL_ID, 9) == [store.items.get(item.item_id)], "its caller makes it"


def test_a_picture_of_very_many_rows_is_compared_with_some_of_them_only(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossmodal.store.item_sources._MOST_COMPARED", 3)
    add(store, *(row(TABLE, f"product {number}", key=str(number), number=1) for number in range(9)))
    assert store.items.count() == 9
    add(store, *(row(OTHER, f"article {number}", key=f"no {number}", number=1) for number in range(5)))
    assert store.items.count() == 11


def test_an_unknown_item_has_no_sources(store: Store) -> None:
    [item] = add(store, row(FOLDER))
    store.items.remove([item.item_id])
    for item_id in (item.item_id, 99):
        with pytest.raises(QueryError):
            store.items.sources(item_id)


@pytest.mark.parametrize(
    ("titles", "expected"),
    [
        (["1 mug", "1 mug"], ("1 mug", ())),
        (["", "1 mug"], ("1 mug", ())),
        (["1 mug", "cup"], ("cup", ())),
        (["cup", "1 mug", "cup"], ("cup", ())),
        (["cup", "", "mug"], ("cup", ("cup", "mug"))),
    ],
)
def test_titles_made_from_file_names_are_no_words(titles: list[str], expected: tuple[str, tuple[str, ...]]) -> None:
    rows = [ItemSource(f"{number}", FOLDER, title, "1_mug.jpg") for number, title in enumerate(titles)]
    assert (joined(rows).title, joined(rows).captions) == expected
