"""Removing, bringing back, forgetting."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.made_up import MODEL_ID, made_up_item
from crossmodal.catalog import Catalog
from crossmodal.errors import QueryError
from crossmodal.items import Failure, Item


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog(tmp_path / "catalog.sqlite3") as opened:
        yield opened


@pytest.fixture
def items(catalog: Catalog) -> list[Item]:
    return catalog.add_many([made_up_item(number) for number in range(6)], model_id=MODEL_ID)


def test_a_removed_item_is_gone_everywhere(catalog: Catalog, items: list[Item]) -> None:
    gone = items[2].item_id
    assert catalog.remove([gone, gone, 999]) == [gone]
    assert catalog.remove([gone]) == []
    for ask in (catalog.item, catalog.thumbnail, catalog.rendition, lambda item_id: catalog.embedding(item_id, MODEL_ID)):
        with pytest.raises(QueryError):
            ask(gone)
    assert gone not in catalog.changes(MODEL_ID).item_ids
    assert gone not in [item.item_id for item, _ in catalog.samples()]
    assert catalog.without_embedding("another", 10) == [item for item in items if item.item_id != gone]
    assert catalog.models() == {MODEL_ID: 5}


def test_restore_brings_back_everything(catalog: Catalog, items: list[Item]) -> None:
    before = catalog.changes(MODEL_ID)
    catalog.remove([items[1].item_id, items[2].item_id])
    assert catalog.restore([items[2].item_id, items[0].item_id]) == [items[2].item_id]
    assert catalog.item(items[2].item_id) == items[2]
    assert catalog.rendition(items[2].item_id) == made_up_item(2).picture.rendition
    news = catalog.changes(MODEL_ID, after_seq=before.seq, after_removal=before.removal_seq)
    assert news.item_ids.tolist() == [items[2].item_id]
    assert news.embeddings.tobytes() == made_up_item(2).embedding.tobytes()
    assert set(news.removed_ids.tolist()) == {items[1].item_id, items[2].item_id}


def test_a_removed_key_comes_back_when_it_is_added(catalog: Catalog, items: list[Item]) -> None:
    catalog.remove([items[3].item_id])
    item, created = catalog.add(made_up_item(3), model_id=MODEL_ID)
    assert (item, created) == (items[3], False)
    assert catalog.count() == 6
    assert items[3].item_id in catalog.changes(MODEL_ID).item_ids


def test_purging_deletes_what_was_removed_long_enough_ago(catalog: Catalog, items: list[Item]) -> None:
    catalog.remove([items[0].item_id])
    assert catalog.purge_removed(older_than_s=3600) == 0
    assert catalog.purge_removed() == 1
    assert catalog.restore([items[0].item_id]) == []
    assert catalog.known([made_up_item(0).key]) == {}
    again, created = catalog.add(made_up_item(0), model_id=MODEL_ID)
    assert created
    assert again.item_id > items[-1].item_id, "an id must never be used twice"


def test_a_picture_stays_as_long_as_an_item_shows_it(catalog: Catalog, items: list[Item]) -> None:
    twin_entry = made_up_item(0).__class__(
        key="twin", title="twin", picture=made_up_item(0).picture, embedding=made_up_item(0).embedding
    )
    twin, _ = catalog.add(twin_entry, model_id=MODEL_ID)
    catalog.remove([items[0].item_id])
    catalog.purge_removed()
    assert catalog.rendition(twin.item_id) == made_up_item(0).picture.rendition
    catalog.remove([twin.item_id])
    catalog.purge_removed()
    with catalog._connections.reading() as db:
        assert db.execute("SELECT COUNT(*) FROM pictures").fetchone() == (5,)


def test_rows_that_left_a_catalogue_leave_the_collection(catalog: Catalog) -> None:
    items = catalog.add_many([made_up_item(number, catalogue="shop") for number in range(4)], model_id=MODEL_ID)
    other, _ = catalog.add(made_up_item(10, catalogue="photos"), model_id=MODEL_ID)
    catalog.record_failures(
        [
            Failure(key, "shop", "a.jpg", "a", "file_missing", "It is not there.", "Put it there.")
            for key in ("still failing", "gone")
        ]
    )
    present = [made_up_item(0).key, made_up_item(2).key, "still failing"]
    assert sorted(catalog.remove_missing("shop", present)) == [items[1].item_id, items[3].item_id]
    assert catalog.counts() == {"shop": 2, "photos": 1}
    assert [row.key for row in catalog.failures()] == ["still failing"]
    assert catalog.remove_missing("shop", iter(present)) == []
    assert catalog.item(other.item_id) == other
