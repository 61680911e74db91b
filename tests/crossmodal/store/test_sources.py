"""Where the collection came from, and what of it failed."""

from dataclasses import replace

from benchmarks.made_up import MODEL_ID, made_up_item
from crossmodal.items import Failure
from crossmodal.store import Catalog


def failure(key: str, *, catalogue: str = "shop", reason: str = "The address answered 404.") -> Failure:
    return Failure(
        key,
        catalogue,
        f"https://example.org/{key}.jpg",
        f"title of {key}",
        "http_status",
        reason,
        "Check the address.",
        failed_at=5.0,
    )


def test_catalogues_are_listed_with_their_counts(catalog: Catalog) -> None:
    assert catalog.catalogues() == []
    catalog.put_catalogue("shop", kind="csv", location="shop.csv")
    catalog.put_catalogue("photos", kind="folder", location="photos/", completed_at=3.0)
    catalog.add_many([made_up_item(number, catalogue="shop") for number in range(3)], model_id=MODEL_ID)
    catalog.record_failures([failure("a"), failure("b", catalogue="photos")])
    shop, photos = catalog.catalogues()
    assert (shop.name, shop.kind, shop.location, shop.completed_at, shop.items, shop.failures) == (
        "shop",
        "csv",
        "shop.csv",
        None,
        3,
        1,
    )
    assert (photos.name, photos.completed_at, photos.items, photos.failures) == ("photos", 3.0, 0, 1)


def test_a_new_reading_keeps_the_time_of_the_last_complete_one(catalog: Catalog) -> None:
    catalog.put_catalogue("shop", kind="csv", location="old.csv", completed_at=3.0)
    first = catalog.catalogues()[0]
    catalog.put_catalogue("shop", kind="csv", location="new.csv")
    assert catalog.catalogues() == [replace(first, location="new.csv")]
    catalog.put_catalogue("shop", kind="csv", location="new.csv", completed_at=9.0)
    assert catalog.catalogues()[0].completed_at == 9.0


def test_removing_a_catalogue_takes_its_items_and_failures(catalog: Catalog) -> None:
    catalog.put_catalogue("shop", kind="csv", location="shop.csv")
    items = catalog.add_many([made_up_item(number, catalogue="shop") for number in range(3)], model_id=MODEL_ID)
    catalog.add(made_up_item(9, catalogue="photos"), model_id=MODEL_ID)
    catalog.record_failures([failure("a"), failure("b", catalogue="photos")])
    assert sorted(catalog.remove_catalogue("shop")) == [item.item_id for item in items]
    assert catalog.counts() == {"photos": 1}
    assert catalog.catalogues() == []
    assert [row.key for row in catalog.failures()] == ["b"]
    assert catalog.remove_catalogue("no such") == []


def test_failures_are_kept_as_they_are(catalog: Catalog) -> None:
    rows = [failure("a"), failure("b", catalogue="photos"), failure("c")]
    catalog.record_failures(rows[::-1])
    assert catalog.failures() == rows
    assert catalog.failures("shop") == [rows[0], rows[2]]
    assert catalog.failures("no such") == []


def test_a_second_failure_counts_and_takes_the_new_reason(catalog: Catalog) -> None:
    catalog.record_failures([failure("a")])
    catalog.record_failures([failure("a", reason="The address answered 500.")])
    assert catalog.failures() == [replace(failure("a", reason="The address answered 500."), attempts=2)]


def test_a_failure_without_a_time_gets_the_present_one(catalog: Catalog) -> None:
    catalog.record_failures([replace(failure("a"), failed_at=0.0)])
    assert catalog.failures()[0].failed_at > 1e9


def test_a_failure_ends_when_its_row_becomes_an_item(catalog: Catalog) -> None:
    catalog.record_failures([failure(made_up_item(1).key), failure("b"), failure("c")])
    catalog.add(made_up_item(1), model_id=MODEL_ID)
    assert [row.key for row in catalog.failures()] == ["b", "c"]
    catalog.clear_failures(["b", "never failed"])
    assert [row.key for row in catalog.failures()] == ["c"]
