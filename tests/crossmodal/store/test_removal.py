"""Removing, bringing back, forgetting."""

import pytest

from benchmarks.made_up import MODEL_ID, made_up_item
from crossmodal.errors import QueryError
from crossmodal.items import Failure, Item
from crossmodal.store import Store


@pytest.fixture
def items(store: Store) -> list[Item]:
    return store.add_many([made_up_item(number) for number in range(6)], model_id=MODEL_ID)


def test_a_removed_item_is_gone_everywhere(store: Store, items: list[Item]) -> None:
    gone = items[2].item_id
    assert store.remove([gone, gone, 999]) == [gone]
    assert store.remove([gone]) == []
    for ask in (store.item, store.thumbnail, store.rendition, lambda item_id: store.embedding(item_id, MODEL_ID)):
        with pytest.raises(QueryError):
            ask(gone)
    assert gone not in store.changes(MODEL_ID).item_ids
    assert gone not in [item.item_id for item, _ in store.samples()]
    assert store.without_embedding("another", 10) == [item for item in items if item.item_id != gone]
    assert store.models() == {MODEL_ID: 5}


def test_restore_brings_back_everything(store: Store, items: list[Item]) -> None:
    before = store.changes(MODEL_ID)
    store.remove([items[1].item_id, items[2].item_id])
    assert store.restore([items[2].item_id, items[0].item_id]) == [items[2].item_id]
    assert store.item(items[2].item_id) == items[2]
    assert store.rendition(items[2].item_id) == made_up_item(2).picture.rendition
    news = store.changes(MODEL_ID, after_seq=before.seq, after_removal=before.removal_seq)
    assert news.item_ids.tolist() == [items[2].item_id]
    assert news.embeddings.tobytes() == made_up_item(2).embedding.tobytes()
    assert set(news.removed_ids.tolist()) == {items[1].item_id, items[2].item_id}


def test_a_removed_key_comes_back_when_it_is_added(store: Store, items: list[Item]) -> None:
    store.remove([items[3].item_id])
    item, created = store.add(made_up_item(3), model_id=MODEL_ID)
    assert (item, created) == (items[3], False)
    assert store.count() == 6
    assert items[3].item_id in store.changes(MODEL_ID).item_ids


def test_purging_deletes_what_was_removed_long_enough_ago(store: Store, items: list[Item]) -> None:
    store.remove([items[0].item_id])
    assert store.purge_removed(older_than_s=3600) == 0
    assert store.purge_removed() == 1
    assert store.restore([items[0].item_id]) == []
    assert store.known([made_up_item(0).key]) == {}
    again, created = store.add(made_up_item(0), model_id=MODEL_ID)
    assert created
    assert again.item_id > items[-1].item_id, "an id must never be used twice"


def test_a_picture_stays_as_long_as_an_item_shows_it(store: Store, items: list[Item]) -> None:
    twin_entry = made_up_item(0).__class__(
        key="twin", title="twin", picture=made_up_item(0).picture, embedding=made_up_item(0).embedding
    )
    twin, _ = store.add(twin_entry, model_id=MODEL_ID)
    store.remove([items[0].item_id])
    store.purge_removed()
    assert store.rendition(twin.item_id) == made_up_item(0).picture.rendition
    store.remove([twin.item_id])
    store.purge_removed()
    with store._connections.reading() as db:
        assert db.execute("SELECT COUNT(*) FROM pictures").fetchone() == (5,)


def test_rows_that_left_a_catalogue_leave_the_collection(store: Store) -> None:
    items = store.add_many([made_up_item(number, source="shop") for number in range(4)], model_id=MODEL_ID)
    other, _ = store.add(made_up_item(10, source="photos"), model_id=MODEL_ID)
    store.record_failures(
        [
            Failure(key, "shop", "a.jpg", "a", "file_missing", "It is not there.", "Put it there.")
            for key in ("still failing", "gone")
        ]
    )
    present = [made_up_item(0).key, made_up_item(2).key, "still failing"]
    assert store.remove_missing("shop", present) == ([items[1].item_id, items[3].item_id], 0)
    assert store.counts() == {"shop": 2, "photos": 1}
    assert [row.key for row in store.failures()] == ["still failing"]
    assert store.remove_missing("shop", iter(present)) == ([], 0)
    assert store.item(other.item_id) == other


def test_what_a_person_removed_is_known_for_good_and_what_went_with_its_row_is_not(store: Store) -> None:
    store.put_source("shop", kind="csv", location="shop.csv")
    items = store.add_many([made_up_item(number, source="shop") for number in range(3)], model_id=MODEL_ID)
    added, _ = store.add(made_up_item(9), model_id=MODEL_ID)
    keys = [made_up_item(number).key for number in (0, 1, 2, 9)]
    store.remove([items[0].item_id, added.item_id])
    store.remove_missing("shop", keys[:1] + keys[2:3])
    assert [(known.removed, known.vanished) for known in (store.known(keys)[key] for key in keys[:3])] == [
        (True, False),
        (True, True),
        (False, False),
    ]
    assert store.refused(keys) == set()
    assert store.purge_removed() == 3
    assert store.refused(keys) == {keys[0]}, "no catalogue brings the one added by hand again"
    store.add(made_up_item(0, source="shop"), model_id=MODEL_ID)
    assert store.refused(keys) == set()


def test_a_catalogue_that_goes_takes_along_what_was_refused_of_it(store: Store) -> None:
    store.put_source("shop", kind="csv", location="shop.csv")
    item = store.add_many([made_up_item(0, source="shop")], model_id=MODEL_ID)[0]
    store.remove([item.item_id])
    store.purge_removed()
    assert store.refused([made_up_item(0).key])
    store.remove_source("shop")
    assert not store.refused([made_up_item(0).key])


def test_an_item_that_comes_back_with_its_row_is_a_persons_to_remove(store: Store) -> None:
    items = store.add_many([made_up_item(number, source="shop") for number in range(2)], model_id=MODEL_ID)
    key = made_up_item(1).key
    store.remove_missing("shop", [made_up_item(0).key])
    store.restore([items[1].item_id])
    store.remove([items[1].item_id])
    assert not store.known([key])[key].vanished


def test_what_may_be_hidden_stays(store: Store) -> None:
    items = store.add_many([made_up_item(number, source="shop") for number in range(12)], model_id=MODEL_ID)
    present = [made_up_item(number).key for number in range(2, 10)]
    assert store.remove_missing("shop", present, unread=["made up 1", "%"]) == ([items[0].item_id], 3)
    assert store.follow_renames("shop", present, unread=[""]) == []
    assert store.remove_missing("shop", [], unread=[""]) == ([], 11)
