"""Items in, items out: what the one store keeps, and how it answers."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.made_up import MODEL_ID, made_up_item, unit
from crossmodal.errors import QueryError, StoreError, StoreMissing
from crossmodal.items import Failure, Item, NewItem
from crossmodal.store import ItemTexts, Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "folder" / "catalog.sqlite3") as opened:
        yield opened


def as_stored(entry: NewItem, item: Item) -> Item:
    """What `entry` should read like under the id and time of `item`."""
    return Item(
        item_id=item.item_id,
        title=entry.title,
        source=entry.source,
        content_hash=entry.picture.content_hash,
        width_px=entry.picture.width_px,
        height_px=entry.picture.height_px,
        added_at=item.added_at,
        origin=entry.origin,
        captions=entry.captions,
        attributes=entry.attributes,
        held_out=entry.held_out,
    )


def test_an_item_comes_back_as_it_was_added(store: Store) -> None:
    entry = made_up_item(7)
    item, created = store.items.add(entry, model_id=MODEL_ID)
    assert created
    assert item == as_stored(entry, item)
    assert store.items.get(item.item_id) == item
    assert store.pictures.rendition(item.item_id) == entry.picture.rendition
    assert store.pictures.thumbnail(item.item_id) == entry.picture.thumbnail
    assert store.embeddings.get(item.item_id, MODEL_ID).tobytes() == entry.embedding.tobytes()


def test_everything_is_still_there_after_opening_again(tmp_path: Path) -> None:
    entries = [made_up_item(number) for number in range(20)]
    with Store(tmp_path / "catalog.sqlite3") as store:
        store_uuid = store.store_uuid
        items = store.items.add_many(entries, model_id=MODEL_ID)
    with Store(tmp_path / "catalog.sqlite3") as store:
        assert store.items.get_many([item.item_id for item in items]) == items
        assert store.store_uuid == store_uuid != ""


def test_a_missing_file_can_be_an_error_and_is_not_made_then(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite3"
    with pytest.raises(StoreMissing, match="no collection"):
        Store(path, create=False)
    assert list(tmp_path.iterdir()) == []
    with Store(path) as made, Store(path, create=False) as opened:
        assert made.store_uuid == opened.store_uuid


def test_a_thumbnail_that_is_the_rendition_is_stored_once(store: Store) -> None:
    entry = made_up_item(1)
    entry = dataclasses.replace(entry, picture=dataclasses.replace(entry.picture, thumbnail=entry.picture.rendition))
    item, _ = store.items.add(entry, model_id=MODEL_ID)
    assert store.pictures.thumbnail(item.item_id) == entry.picture.rendition


def test_adding_a_known_key_again_keeps_the_item(store: Store) -> None:
    first, _ = store.items.add(made_up_item(1), model_id=MODEL_ID)
    again, created = store.items.add(
        dataclasses.replace(made_up_item(1), title="a better title", held_out=False), model_id=MODEL_ID
    )
    assert not created
    assert again == dataclasses.replace(first, title="a better title", held_out=False)
    assert store.items.count() == 1


def test_other_content_under_a_known_key_replaces_picture_and_embeddings(store: Store) -> None:
    first, _ = store.items.add(made_up_item(1), model_id=MODEL_ID)
    store.embeddings.add("another model", [(first, made_up_item(9).embedding)])
    other = dataclasses.replace(made_up_item(2), key=made_up_item(1).key)
    item, created = store.items.add(other, model_id=MODEL_ID)
    assert not created
    assert item.item_id == first.item_id
    assert item.content_hash == other.picture.content_hash
    assert store.pictures.rendition(item.item_id) == other.picture.rendition
    assert store.embeddings.get(item.item_id, MODEL_ID).tobytes() == other.embedding.tobytes()
    with pytest.raises(QueryError):
        store.embeddings.get(item.item_id, "another model")
    assert store.embeddings.of_content(first.content_hash, MODEL_ID) is None


def test_add_many_is_all_or_nothing(store: Store) -> None:
    bad = dataclasses.replace(made_up_item(2), embedding=np.full(64, np.nan, dtype=np.float32))
    with pytest.raises(StoreError) as raised:
        store.items.add_many([made_up_item(1), bad, made_up_item(3)], model_id=MODEL_ID)
    assert raised.value.code == "bad_request"
    assert "made up 2" in str(raised.value)
    assert store.items.count() == 0
    assert store.models.counts() == {}
    assert store.items.add_many([], model_id=MODEL_ID) == []


@pytest.mark.parametrize(
    ("embedding", "code"),
    [
        (np.zeros(64), "bad_request"),
        (np.full(64, np.inf), "bad_request"),
        (np.ones(64), "bad_request"),
        (np.ones((1, 1)), "bad_request"),
        (np.empty(0), "bad_request"),
        (unit(np.ones(32)), "index_model_mismatch"),
    ],
)
def test_an_embedding_that_is_none_is_refused(store: Store, embedding: np.ndarray, code: str) -> None:
    store.items.add(made_up_item(1), model_id=MODEL_ID)
    with pytest.raises(StoreError) as raised:
        store.items.add(dataclasses.replace(made_up_item(2), embedding=embedding.astype(np.float32)), model_id=MODEL_ID)
    assert raised.value.code == code
    assert store.items.count() == 1


def test_words_change_without_the_picture(store: Store) -> None:
    items = store.items.add_many([made_up_item(1), made_up_item(2)], model_id=MODEL_ID)
    same = made_up_item(1)
    changed = store.items.update_texts(
        [
            ItemTexts(same.key, same.title, same.origin, same.captions, same.attributes, same.held_out),
            ItemTexts(made_up_item(2).key, "new", captions=("other",), attributes={"colour": "red"}, held_out=True),
            ItemTexts("never seen", "nobody"),
        ]
    )
    assert changed == 1
    assert store.items.get(items[0].item_id) == items[0]
    expected = dataclasses.replace(
        items[1], title="new", origin="", captions=("other",), attributes={"colour": "red"}, held_out=True
    )
    assert store.items.get(items[1].item_id) == expected


def test_known_says_what_is_held_under_keys(store: Store) -> None:
    items = store.items.add_many([made_up_item(1), made_up_item(2)], model_id=MODEL_ID)
    store.items.remove([items[1].item_id])
    known = store.items.known([made_up_item(number).key for number in (1, 2, 3)], model_id=MODEL_ID)
    assert known.keys() == {made_up_item(1).key, made_up_item(2).key}
    assert (known[made_up_item(1).key].item, known[made_up_item(1).key].removed) == (items[0], False)
    assert known[made_up_item(2).key].removed
    assert all(row.embedded for row in known.values())
    assert not store.items.known([made_up_item(1).key], model_id="another")[made_up_item(1).key].embedded
    assert not store.items.known([made_up_item(1).key])[made_up_item(1).key].embedded
    assert store.items.known([]) == {}


def test_items_come_in_the_order_asked_for_without_those_gone(store: Store) -> None:
    items = store.items.add_many([made_up_item(number) for number in range(5)], model_id=MODEL_ID)
    store.items.remove([items[2].item_id])
    wanted = [items[4].item_id, items[2].item_id, 999, items[0].item_id]
    assert store.items.get_many(wanted) == [items[4], items[0]]
    assert store.items.get_many([]) == []


@pytest.mark.parametrize("item_id", [0, -1, 999, 2**63, 10**30])
def test_an_id_that_is_not_there_is_not_found(store: Store, item_id: int) -> None:
    for ask in (
        store.items.get,
        store.pictures.thumbnail,
        store.pictures.rendition,
        lambda number: store.embeddings.get(number, MODEL_ID),
    ):
        with pytest.raises(QueryError) as raised:
            ask(item_id)
        assert raised.value.code == "not_found"
        assert str(item_id) in str(raised.value)
    assert store.items.get_many([item_id]) == []
    assert store.items.remove([item_id]) == []
    assert store.items.restore([item_id]) == []


def test_pages_walk_through_everything_once(store: Store) -> None:
    items = store.items.add_many([made_up_item(number, source=f"part {number % 2}") for number in range(11)], model_id=MODEL_ID)
    store.items.remove([items[5].item_id])
    left = [item for item in items if item != items[5]]
    for newest_first in (False, True):
        for source in (None, "part 0", "part 1", "no such"):
            seen: list[Item] = []
            after_id = None
            while page := store.items.page(3, after_id, source=source, newest_first=newest_first):
                assert len(page) <= 3
                seen += page
                after_id = page[-1].item_id
            expected = [item for item in left if source in (None, item.source)]
            assert seen == (expected[::-1] if newest_first else expected)
    assert store.items.page(0) == []


def test_counts(store: Store) -> None:
    assert (store.items.count(), store.sources.counts()) == (0, {})
    items = store.items.add_many([made_up_item(number, source=f"part {number % 2}") for number in range(5)], model_id=MODEL_ID)
    store.items.remove([items[1].item_id])
    assert store.items.count() == 4
    assert store.sources.counts() == {"part 0": 3, "part 1": 1}
    assert (store.items.count(source="part 1"), store.items.count(source="no such")) == (1, 0)


def test_samples_give_every_item_with_its_picture(store: Store) -> None:
    entries = [made_up_item(number, source=f"part {number % 2}") for number in range(9)]
    items = store.items.add_many(entries, model_id=MODEL_ID)
    assert list(store.pictures.samples(batch_size=4)) == [
        (item, entry.picture.rendition) for item, entry in zip(items, entries, strict=True)
    ]
    assert [item for item, _ in store.pictures.samples(source="part 1")] == [item for item in items if item.source == "part 1"]


WORDS = ["", "NA", "007", "mug\0mug", "a\udcffb", "\U0001f600", "ein „Becher“", "'; DROP TABLE items; --", "x" * 100_000]


@pytest.mark.parametrize("words", WORDS, ids=range(len(WORDS)))
def test_any_words_are_kept(store: Store, words: str) -> None:
    entry = dataclasses.replace(
        made_up_item(1), key=words, title=words, origin=words, captions=(words,), attributes={words: words}, source=words
    )
    item, _ = store.items.add(entry, model_id=MODEL_ID)
    kept = words.replace("\0", "\\x00").replace("\udcff", "\\udcff")
    assert (item.title, item.origin, item.captions, item.attributes, item.source) == (kept, kept, (kept,), {kept: kept}, kept)
    assert store.items.known([words])[words].item == item
    assert store.items.update_texts([ItemTexts(words, "found again")]) == 1
    store.failures.record([Failure(words, words, words, words, "timeout", words, words)])
    assert len(store.failures.all(words)) == 1
    store.failures.clear([words])
    assert store.failures.all() == []
    assert store.sources.remove_missing(words, [words]) == ([], 0)
    assert store.sources.remove_missing(words, []) == ([item.item_id], 0)


def test_meta_values(store: Store) -> None:
    assert store.meta.get("model") is None
    store.meta.set("model", "one")
    store.meta.set("model", "two")
    assert store.meta.get("model") == "two"


def test_a_damaged_picture_is_told_and_mended_by_adding_it_again(store: Store, tmp_path: Path) -> None:
    entry = made_up_item(1)
    item, _ = store.items.add(entry, model_id=MODEL_ID)
    with store._database.writing() as db:
        db.execute("UPDATE pictures SET thumbnail = X'00', rendition = X'00'")
    for ask in (store.pictures.thumbnail, store.pictures.rendition):
        with pytest.raises(StoreError) as raised:
            ask(item.item_id)
        assert raised.value.code == "index_corrupt"
        assert f"Item {item.item_id}" in str(raised.value)
    store.items.add(entry, model_id=MODEL_ID)
    assert store.pictures.rendition(item.item_id) == entry.picture.rendition
    assert store.pictures.thumbnail(item.item_id) == entry.picture.thumbnail


@pytest.mark.parametrize("words", ['["half', "5", "[1]", '{"a": "b"}', "[" * 100_000])
@pytest.mark.parametrize("column", ["captions", "attributes"])
def test_damaged_words_are_told(store: Store, column: str, words: str) -> None:
    item, _ = store.items.add(made_up_item(1), model_id=MODEL_ID)
    with store._database.writing() as db:
        db.execute(f"UPDATE items SET {column} = ?", (words.replace('"b"', "1") if column == "attributes" else words,))
    with pytest.raises(StoreError, match=f"Item {item.item_id} ") as raised:
        store.items.get(item.item_id)
    assert raised.value.code == "index_corrupt"


def test_a_closed_catalog_says_so(tmp_path: Path) -> None:
    store = Store(tmp_path / "catalog.sqlite3")
    store.close()
    store.close()
    for call in (store.items.count, store.version, lambda: store.meta.set("a", "b")):
        with pytest.raises(StoreError):
            call()
