"""Removing, bringing back, forgetting."""

import pytest

from benchmarks.made_up import MODEL_ID, made_up_item
from crossmodal.errors import QueryError
from crossmodal.items import Failure, Item
from crossmodal.store import Store

MADE_UP = made_up_item(0).source


@pytest.fixture
def items(store: Store) -> list[Item]:
    return store.items.add_many([made_up_item(number) for number in range(6)], model_id=MODEL_ID)


def test_a_removed_item_is_gone_everywhere(store: Store, items: list[Item]) -> None:
    gone = items[2].item_id
    assert store.items.remove([gone, gone, 999]) == [gone]
    assert store.items.remove([gone]) == []
    for ask in (
        store.items.get,
        store.pictures.thumbnail,
        store.pictures.rendition,
        lambda item_id: store.embeddings.get(item_id, MODEL_ID),
    ):
        with pytest.raises(QueryError):
            ask(gone)
    assert gone not in store.changes.since(MODEL_ID).item_ids
    assert gone not in [item.item_id for item, _ in store.pictures.samples()]
    assert store.embeddings.missing("another", 10) == [item for item in items if item.item_id != gone]
    assert store.models.counts() == {MODEL_ID: 5}


def test_restore_brings_back_everything(store: Store, items: list[Item]) -> None:
    before = store.changes.since(MODEL_ID)
    store.items.remove([items[1].item_id, items[2].item_id])
    assert store.items.restore([items[2].item_id, items[0].item_id]) == [items[2].item_id]
    assert store.items.get(items[2].item_id) == items[2]
    assert store.pictures.rendition(items[2].item_id) == made_up_item(2).picture.rendition
    news = store.changes.since(MODEL_ID, after_seq=before.seq, after_removal=before.removal_seq)
    assert news.item_ids.tolist() == [items[2].item_id]
    assert news.embeddings.tobytes() == made_up_item(2).embedding.tobytes()
    assert set(news.removed_ids.tolist()) == {items[1].item_id, items[2].item_id}


def test_a_removed_key_comes_back_when_it_is_added(store: Store, items: list[Item]) -> None:
    store.items.remove([items[3].item_id])
    item, created = store.items.add(made_up_item(3), model_id=MODEL_ID)
    assert (item, created) == (items[3], False)
    assert store.items.count() == 6
    assert items[3].item_id in store.changes.since(MODEL_ID).item_ids


def test_purging_deletes_what_was_removed_long_enough_ago(store: Store, items: list[Item]) -> None:
    store.items.remove([items[0].item_id])
    assert store.items.purge(older_than_s=3600) == 0
    assert store.items.purge() == 1
    assert store.items.restore([items[0].item_id]) == []
    assert store.items.known([made_up_item(0).key]) == {}
    again, created = store.items.add(made_up_item(0), model_id=MODEL_ID)
    assert created
    assert again.item_id > items[-1].item_id, "an id must never be used twice"


def test_a_picture_stays_as_long_as_an_item_shows_it(store: Store, items: list[Item]) -> None:
    twin_entry = made_up_item(0).__class__(
        key="twin", title="twin", picture=made_up_item(0).picture, embedding=made_up_item(0).embedding, source=MADE_UP
    )
    twin, _ = store.items.add(twin_entry, model_id=MODEL_ID)
    store.items.remove([items[0].item_id])
    store.items.purge()
    assert store.pictures.rendition(twin.item_id) == made_up_item(0).picture.rendition
    store.items.remove([twin.item_id])
    store.items.purge()
    with store._database.reading() as db:
        assert db.execute("SELECT COUNT(*) FROM pictures").fetchone() == (5,)


def test_rows_that_left_a_catalogue_leave_the_collection(store: Store) -> None:
    items = store.items.add_many([made_up_item(number, source="shop") for number in range(4)], model_id=MODEL_ID)
    other, _ = store.items.add(made_up_item(10, source="photos"), model_id=MODEL_ID)
    store.failures.record(
        [
            Failure(key, "shop", "a.jpg", "a", "file_missing", "It is not there.", "Put it there.")
            for key in ("still failing", "gone")
        ]
    )
    present = [made_up_item(0).key, made_up_item(2).key, "still failing"]
    assert store.sources.remove_missing("shop", present) == ([items[1].item_id, items[3].item_id], 0)
    assert store.sources.counts() == {"shop": 2, "photos": 1}
    assert [row.key for row in store.failures.all()] == ["still failing"]
    assert store.sources.remove_missing("shop", iter(present)) == ([], 0)
    assert store.items.get(other.item_id) == other


def test_what_a_person_removed_is_known_for_good_and_what_went_with_its_row_is_not(store: Store) -> None:
    store.sources.put("shop", kind="csv", location="shop.csv")
    items = store.items.add_many([made_up_item(number, source="shop") for number in range(3)], model_id=MODEL_ID)
    added, _ = store.items.add(made_up_item(9), model_id=MODEL_ID)
    keys = [made_up_item(number).key for number in (0, 1, 2, 9)]
    store.items.remove([items[0].item_id, added.item_id])
    store.sources.remove_missing("shop", keys[:1] + keys[2:3])
    assert [(known.removed, known.vanished) for known in (store.items.known(keys)[key] for key in keys[:3])] == [
        (True, False),
        (True, True),
        (False, False),
    ]
    assert store.items.refused(keys) == set()
    assert store.items.purge() == 3
    assert store.items.refused(keys) == {keys[0]}, "no catalogue brings the one added by hand again"
    store.items.add(made_up_item(0, source="shop"), model_id=MODEL_ID)
    assert store.items.refused(keys) == set()


def test_a_catalogue_that_goes_takes_along_what_was_refused_of_it(store: Store) -> None:
    store.sources.put("shop", kind="csv", location="shop.csv")
    item = store.items.add_many([made_up_item(0, source="shop")], model_id=MODEL_ID)[0]
    store.items.remove([item.item_id])
    store.items.purge()
    assert store.items.refused([made_up_item(0).key])
    store.sources.remove("shop")
    assert not store.items.refused([made_up_item(0).key])


def test_an_item_that_comes_back_with_its_row_is_a_persons_to_remove(store: Store) -> None:
    items = store.items.add_many([made_up_item(number, source="shop") for number in range(2)], model_id=MODEL_ID)
    key = made_up_item(1).key
    store.sources.remove_missing("shop", [made_up_item(0).key])
    store.items.restore([items[1].item_id])
    store.items.remove([items[1].item_id])
    assert not store.items.known([key])[key].vanished


def test_what_may_be_hidden_stays(store: Store) -> None:
    items = store.items.add_many([made_up_item(number, source="shop") for number in range(12)], model_id=MODEL_ID)
    present = [made_up_item(number).key for number in range(2, 10)]
    assert store.sources.remove_missing("shop", present, unread=["made up 1", "%"]) == ([items[0].item_id], 3)
    assert store.sources.detect_renames("shop", present, unread=[""]) == []
    assert store.sources.remove_missing("shop", [], unread=[""]) == ([], 11)
