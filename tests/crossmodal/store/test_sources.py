"""Where the collection came from, and what of it failed."""

from dataclasses import replace

from benchmarks.made_up import MODEL_ID, made_up_item
from crossmodal.items import Failure
from crossmodal.store import Store


def failure(key: str, *, source: str = "shop", reason: str = "The address answered 404.") -> Failure:
    return Failure(
        key,
        source,
        f"https://example.org/{key}.jpg",
        f"title of {key}",
        "http_status",
        reason,
        "Check the address.",
        failed_at=5.0,
    )


def test_catalogues_are_listed_with_their_counts(store: Store) -> None:
    assert store.sources.all() == []
    store.sources.put("shop", kind="csv", location="shop.csv")
    store.sources.put("photos", kind="folder", location="photos/", completed_at=3.0)
    store.items.add_many([made_up_item(number, source="shop") for number in range(3)], model_id=MODEL_ID)
    store.failures.record([failure("a"), failure("b", source="photos")])
    shop, photos = store.sources.all()
    assert (shop.name, shop.kind, shop.location, shop.completed_at, shop.items, shop.failures) == (
        "shop",
        "csv",
        "shop.csv",
        None,
        3,
        1,
    )
    assert (photos.name, photos.completed_at, photos.items, photos.failures) == ("photos", 3.0, 0, 1)


def test_a_new_reading_keeps_the_time_of_the_last_complete_one(store: Store) -> None:
    store.sources.put("shop", kind="csv", location="old.csv", completed_at=3.0)
    first = store.sources.all()[0]
    store.sources.put("shop", kind="csv", location="new.csv")
    assert store.sources.all() == [replace(first, location="new.csv")]
    store.sources.put("shop", kind="csv", location="new.csv", completed_at=9.0)
    assert store.sources.all()[0].completed_at == 9.0


def test_removing_a_catalogue_takes_its_items_and_failures(store: Store) -> None:
    store.sources.put("shop", kind="csv", location="shop.csv")
    items = store.items.add_many([made_up_item(number, source="shop") for number in range(3)], model_id=MODEL_ID)
    store.items.add(made_up_item(9, source="photos"), model_id=MODEL_ID)
    store.failures.record([failure("a"), failure("b", source="photos")])
    assert sorted(store.sources.remove("shop")) == [item.item_id for item in items]
    assert store.sources.counts() == {"photos": 1}
    assert store.sources.all() == []
    assert [row.key for row in store.failures.all()] == ["b"]
    assert store.sources.remove("no such") == []


def test_failures_are_kept_as_they_are(store: Store) -> None:
    rows = [failure("a"), failure("b", source="photos"), failure("c")]
    store.failures.record(rows[::-1])
    assert store.failures.all() == rows
    assert store.failures.all("shop") == [rows[0], rows[2]]
    assert store.failures.all("no such") == []


def test_a_second_failure_counts_and_takes_the_new_reason(store: Store) -> None:
    store.failures.record([failure("a")])
    store.failures.record([failure("a", reason="The address answered 500.")])
    assert store.failures.all() == [replace(failure("a", reason="The address answered 500."), attempts=2)]


def test_a_failure_without_a_time_gets_the_present_one(store: Store) -> None:
    store.failures.record([replace(failure("a"), failed_at=0.0)])
    assert store.failures.all()[0].failed_at > 1e9


def test_a_failure_ends_when_its_row_becomes_an_item(store: Store) -> None:
    store.failures.record([failure(made_up_item(1).key), failure("b"), failure("c")])
    store.items.add(made_up_item(1), model_id=MODEL_ID)
    assert [row.key for row in store.failures.all()] == ["b", "c"]
    store.failures.clear(["b", "never failed"])
    assert [row.key for row in store.failures.all()] == ["c"]
