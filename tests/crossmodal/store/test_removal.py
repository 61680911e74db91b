"""Removing, bringing back, forgetting."""

import pytest

from benchmarks.made_up import MODEL_ID, made_up_item
from crossmodal.errors import QueryError
from crossmodal.items import Failure, Item
from crossmodal.store import Catalog


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
    assert catalog.remove_missing("shop", present) == ([items[1].item_id, items[3].item_id], 0)
    assert catalog.counts() == {"shop": 2, "photos": 1}
    assert [row.key for row in catalog.failures()] == ["still failing"]
    assert catalog.remove_missing("shop", iter(present)) == ([], 0)
    assert catalog.item(other.item_id) == other


def test_what_a_person_removed_is_known_for_good_and_what_went_with_its_row_is_not(catalog: Catalog) -> None:
    catalog.put_catalogue("shop", kind="csv", location="shop.csv")
    items = catalog.add_many([made_up_item(number, catalogue="shop") for number in range(3)], model_id=MODEL_ID)
    added, _ = catalog.add(made_up_item(9), model_id=MODEL_ID)
    keys = [made_up_item(number).key for number in (0, 1, 2, 9)]
    catalog.remove([items[0].item_id, added.item_id])
    catalog.remove_missing("shop", keys[:1] + keys[2:3])
    assert [(known.removed, known.vanished) for known in (catalog.known(keys)[key] for key in keys[:3])] == [
        (True, False),
        (True, True),
        (False, False),
    ]
    assert catalog.refused(keys) == set()
    assert catalog.purge_removed() == 3
    assert catalog.refused(keys) == {keys[0]}, "no catalogue brings the one added by hand again"
    catalog.add(made_up_item(0, catalogue="shop"), model_id=MODEL_ID)
    assert catalog.refused(keys) == set()


def test_a_catalogue_that_goes_takes_along_what_was_refused_of_it(catalog: Catalog) -> None:
    catalog.put_catalogue("shop", kind="csv", location="shop.csv")
    item = catalog.add_many([made_up_item(0, catalogue="shop")], model_id=MODEL_ID)[0]
    catalog.remove([item.item_id])
    catalog.purge_removed()
    assert catalog.refused([made_up_item(0).key])
    catalog.remove_catalogue("shop")
    assert not catalog.refused([made_up_item(0).key])


def test_an_item_that_comes_back_with_its_row_is_a_persons_to_remove(catalog: Catalog) -> None:
    items = catalog.add_many([made_up_item(number, catalogue="shop") for number in range(2)], model_id=MODEL_ID)
    key = made_up_item(1).key
    catalog.remove_missing("shop", [made_up_item(0).key])
    catalog.restore([items[1].item_id])
    catalog.remove([items[1].item_id])
    assert not catalog.known([key])[key].vanished


def test_what_may_be_hidden_stays(catalog: Catalog) -> None:
    items = catalog.add_many([made_up_item(number, catalogue="shop") for number in range(12)], model_id=MODEL_ID)
    present = [made_up_item(number).key for number in range(2, 10)]
    assert catalog.remove_missing("shop", present, unread=["made up 1", "%"]) == ([items[0].item_id], 3)
    assert catalog.follow_renames("shop", present, unread=[""]) == []
    assert catalog.remove_missing("shop", [], unread=[""]) == ([], 11)
