"""Items in, items out: what the one store keeps, and how it answers."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.made_up import MODEL_ID, made_up_item, unit
from crossmodal.errors import QueryError, StoreError
from crossmodal.items import Failure, Item, NewItem
from crossmodal.store import Catalog, ItemTexts


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog(tmp_path / "folder" / "catalog.sqlite3") as opened:
        yield opened


def as_stored(entry: NewItem, item: Item) -> Item:
    """What `entry` should read like under the id and time of `item`."""
    return Item(
        item_id=item.item_id,
        title=entry.title,
        catalogue=entry.catalogue,
        content_hash=entry.picture.content_hash,
        width_px=entry.picture.width_px,
        height_px=entry.picture.height_px,
        added_at=item.added_at,
        source=entry.source,
        captions=entry.captions,
        attributes=entry.attributes,
        held_out=entry.held_out,
    )


def test_an_item_comes_back_as_it_was_added(catalog: Catalog) -> None:
    entry = made_up_item(7)
    item, created = catalog.add(entry, model_id=MODEL_ID)
    assert created
    assert item == as_stored(entry, item)
    assert catalog.item(item.item_id) == item
    assert catalog.rendition(item.item_id) == entry.picture.rendition
    assert catalog.thumbnail(item.item_id) == entry.picture.thumbnail
    assert catalog.embedding(item.item_id, MODEL_ID).tobytes() == entry.embedding.tobytes()


def test_everything_is_still_there_after_opening_again(tmp_path: Path) -> None:
    entries = [made_up_item(number) for number in range(20)]
    with Catalog(tmp_path / "catalog.sqlite3") as catalog:
        store_uuid = catalog.store_uuid
        items = catalog.add_many(entries, model_id=MODEL_ID)
    with Catalog(tmp_path / "catalog.sqlite3") as catalog:
        assert catalog.items([item.item_id for item in items]) == items
        assert catalog.store_uuid == store_uuid != ""


def test_a_thumbnail_that_is_the_rendition_is_stored_once(catalog: Catalog) -> None:
    entry = made_up_item(1)
    entry = dataclasses.replace(entry, picture=dataclasses.replace(entry.picture, thumbnail=entry.picture.rendition))
    item, _ = catalog.add(entry, model_id=MODEL_ID)
    assert catalog.thumbnail(item.item_id) == entry.picture.rendition


def test_adding_a_known_key_again_keeps_the_item(catalog: Catalog) -> None:
    first, _ = catalog.add(made_up_item(1), model_id=MODEL_ID)
    again, created = catalog.add(dataclasses.replace(made_up_item(1), title="a better title", held_out=False), model_id=MODEL_ID)
    assert not created
    assert again == dataclasses.replace(first, title="a better title", held_out=False)
    assert catalog.count() == 1


def test_other_content_under_a_known_key_replaces_picture_and_embeddings(catalog: Catalog) -> None:
    first, _ = catalog.add(made_up_item(1), model_id=MODEL_ID)
    catalog.add_embeddings("another model", [(first, made_up_item(9).embedding)])
    other = dataclasses.replace(made_up_item(2), key=made_up_item(1).key)
    item, created = catalog.add(other, model_id=MODEL_ID)
    assert not created
    assert item.item_id == first.item_id
    assert item.content_hash == other.picture.content_hash
    assert catalog.rendition(item.item_id) == other.picture.rendition
    assert catalog.embedding(item.item_id, MODEL_ID).tobytes() == other.embedding.tobytes()
    with pytest.raises(QueryError):
        catalog.embedding(item.item_id, "another model")
    assert catalog.embedding_of_content(first.content_hash, MODEL_ID) is None


def test_add_many_is_all_or_nothing(catalog: Catalog) -> None:
    bad = dataclasses.replace(made_up_item(2), embedding=np.full(64, np.nan, dtype=np.float32))
    with pytest.raises(StoreError) as raised:
        catalog.add_many([made_up_item(1), bad, made_up_item(3)], model_id=MODEL_ID)
    assert raised.value.code == "bad_request"
    assert "made up 2" in str(raised.value)
    assert catalog.count() == 0
    assert catalog.models() == {}
    assert catalog.add_many([], model_id=MODEL_ID) == []


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
def test_an_embedding_that_is_none_is_refused(catalog: Catalog, embedding: np.ndarray, code: str) -> None:
    catalog.add(made_up_item(1), model_id=MODEL_ID)
    with pytest.raises(StoreError) as raised:
        catalog.add(dataclasses.replace(made_up_item(2), embedding=embedding.astype(np.float32)), model_id=MODEL_ID)
    assert raised.value.code == code
    assert catalog.count() == 1


def test_words_change_without_the_picture(catalog: Catalog) -> None:
    items = catalog.add_many([made_up_item(1), made_up_item(2)], model_id=MODEL_ID)
    same = made_up_item(1)
    changed = catalog.update_texts(
        [
            ItemTexts(same.key, same.title, same.source, same.captions, same.attributes, same.held_out),
            ItemTexts(made_up_item(2).key, "new", captions=("other",), attributes={"colour": "red"}, held_out=True),
            ItemTexts("never seen", "nobody"),
        ]
    )
    assert changed == 1
    assert catalog.item(items[0].item_id) == items[0]
    expected = dataclasses.replace(
        items[1], title="new", source="", captions=("other",), attributes={"colour": "red"}, held_out=True
    )
    assert catalog.item(items[1].item_id) == expected


def test_known_says_what_is_held_under_keys(catalog: Catalog) -> None:
    items = catalog.add_many([made_up_item(1), made_up_item(2)], model_id=MODEL_ID)
    catalog.remove([items[1].item_id])
    known = catalog.known([made_up_item(number).key for number in (1, 2, 3)], model_id=MODEL_ID)
    assert known.keys() == {made_up_item(1).key, made_up_item(2).key}
    assert (known[made_up_item(1).key].item, known[made_up_item(1).key].removed) == (items[0], False)
    assert known[made_up_item(2).key].removed
    assert all(row.embedded for row in known.values())
    assert not catalog.known([made_up_item(1).key], model_id="another")[made_up_item(1).key].embedded
    assert not catalog.known([made_up_item(1).key])[made_up_item(1).key].embedded
    assert catalog.known([]) == {}


def test_items_come_in_the_order_asked_for_without_those_gone(catalog: Catalog) -> None:
    items = catalog.add_many([made_up_item(number) for number in range(5)], model_id=MODEL_ID)
    catalog.remove([items[2].item_id])
    wanted = [items[4].item_id, items[2].item_id, 999, items[0].item_id]
    assert catalog.items(wanted) == [items[4], items[0]]
    assert catalog.items([]) == []


@pytest.mark.parametrize("item_id", [0, -1, 999, 2**63, 10**30])
def test_an_id_that_is_not_there_is_not_found(catalog: Catalog, item_id: int) -> None:
    for ask in (catalog.item, catalog.thumbnail, catalog.rendition, lambda number: catalog.embedding(number, MODEL_ID)):
        with pytest.raises(QueryError) as raised:
            ask(item_id)
        assert raised.value.code == "not_found"
        assert str(item_id) in str(raised.value)
    assert catalog.items([item_id]) == []
    assert catalog.remove([item_id]) == []
    assert catalog.restore([item_id]) == []


def test_pages_walk_through_everything_once(catalog: Catalog) -> None:
    items = catalog.add_many([made_up_item(number, catalogue=f"part {number % 2}") for number in range(11)], model_id=MODEL_ID)
    catalog.remove([items[5].item_id])
    left = [item for item in items if item != items[5]]
    for newest_first in (False, True):
        for catalogue in (None, "part 0", "part 1", "no such"):
            seen: list[Item] = []
            after_id = None
            while page := catalog.page(3, after_id, catalogue=catalogue, newest_first=newest_first):
                assert len(page) <= 3
                seen += page
                after_id = page[-1].item_id
            expected = [item for item in left if catalogue in (None, item.catalogue)]
            assert seen == (expected[::-1] if newest_first else expected)
    assert catalog.page(0) == []


def test_counts(catalog: Catalog) -> None:
    assert (catalog.count(), catalog.counts()) == (0, {})
    items = catalog.add_many([made_up_item(number, catalogue=f"part {number % 2}") for number in range(5)], model_id=MODEL_ID)
    catalog.remove([items[1].item_id])
    assert catalog.count() == 4
    assert catalog.counts() == {"part 0": 3, "part 1": 1}
    assert (catalog.count(catalogue="part 1"), catalog.count(catalogue="no such")) == (1, 0)


def test_samples_give_every_item_with_its_picture(catalog: Catalog) -> None:
    entries = [made_up_item(number, catalogue=f"part {number % 2}") for number in range(9)]
    items = catalog.add_many(entries, model_id=MODEL_ID)
    assert list(catalog.samples(batch_size=4)) == [
        (item, entry.picture.rendition) for item, entry in zip(items, entries, strict=True)
    ]
    assert [item for item, _ in catalog.samples(catalogue="part 1")] == [item for item in items if item.catalogue == "part 1"]


WORDS = ["", "NA", "007", "mug\0mug", "a\udcffb", "\U0001f600", "ein „Becher“", "'; DROP TABLE items; --", "x" * 100_000]


@pytest.mark.parametrize("words", WORDS, ids=range(len(WORDS)))
def test_any_words_are_kept(catalog: Catalog, words: str) -> None:
    entry = dataclasses.replace(
        made_up_item(1), key=words, title=words, source=words, captions=(words,), attributes={words: words}, catalogue=words
    )
    item, _ = catalog.add(entry, model_id=MODEL_ID)
    kept = words.replace("\0", "\\x00").replace("\udcff", "\\udcff")
    assert (item.title, item.source, item.captions, item.attributes, item.catalogue) == (kept, kept, (kept,), {kept: kept}, kept)
    assert catalog.known([words])[words].item == item
    assert catalog.update_texts([ItemTexts(words, "found again")]) == 1
    catalog.record_failures([Failure(words, words, words, words, "timeout", words, words)])
    assert len(catalog.failures(words)) == 1
    catalog.clear_failures([words])
    assert catalog.failures() == []
    assert catalog.remove_missing(words, [words]) == ([], 0)
    assert catalog.remove_missing(words, []) == ([item.item_id], 0)


def test_meta_values(catalog: Catalog) -> None:
    assert catalog.get_meta("model") is None
    catalog.set_meta("model", "one")
    catalog.set_meta("model", "two")
    assert catalog.get_meta("model") == "two"


def test_a_damaged_picture_is_told_and_mended_by_adding_it_again(catalog: Catalog, tmp_path: Path) -> None:
    entry = made_up_item(1)
    item, _ = catalog.add(entry, model_id=MODEL_ID)
    with catalog._connections.writing() as db:
        db.execute("UPDATE pictures SET thumbnail = X'00', rendition = X'00'")
    for ask in (catalog.thumbnail, catalog.rendition):
        with pytest.raises(StoreError) as raised:
            ask(item.item_id)
        assert raised.value.code == "index_corrupt"
        assert f"Item {item.item_id}" in str(raised.value)
    catalog.add(entry, model_id=MODEL_ID)
    assert catalog.rendition(item.item_id) == entry.picture.rendition
    assert catalog.thumbnail(item.item_id) == entry.picture.thumbnail


@pytest.mark.parametrize("words", ['["half', "5", "[1]", '{"a": "b"}', "[" * 100_000])
@pytest.mark.parametrize("column", ["captions", "attributes"])
def test_damaged_words_are_told(catalog: Catalog, column: str, words: str) -> None:
    item, _ = catalog.add(made_up_item(1), model_id=MODEL_ID)
    with catalog._connections.writing() as db:
        db.execute(f"UPDATE items SET {column} = ?", (words.replace('"b"', "1") if column == "attributes" else words,))
    with pytest.raises(StoreError, match=f"Item {item.item_id} ") as raised:
        catalog.item(item.item_id)
    assert raised.value.code == "index_corrupt"


def test_a_closed_catalog_says_so(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "catalog.sqlite3")
    catalog.close()
    catalog.close()
    for call in (catalog.count, catalog.version, lambda: catalog.set_meta("a", "b")):
        with pytest.raises(StoreError):
            call()
