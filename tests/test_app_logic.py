"""Find, keep, forget: the application on a real store, with a tiny model that can tell colours and things apart."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app_logic import LostFoundApp
from crossmodal.errors import CrossmodalError, FetchError, PictureError, QueryError, SourceError, StoreError
from crossmodal.ingest.sources.base import SourceLimits
from crossmodal.ingest.sources.open import open_source
from crossmodal.items import SearchResult
from datasets import SimpleIndexDataset
from engine.models.trained import TrainedModel
from engine.query import Query
from tests.app_parts import LIMITS, FakeFetcher, csv_source, make_app, png, things
from tests.tiny import COLOURS, THINGS, shared_model

KINDS = [(colour, thing) for colour in COLOURS for thing in THINGS]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    return shared_model().save(tmp_path_factory.mktemp("model") / "model.pth")


@pytest.fixture
def app(tmp_path: Path, model: TrainedModel) -> Iterator[LostFoundApp]:
    app = make_app(tmp_path, model, FakeFetcher(**{"red.png": png("red", "disc", 77), "text": b"no picture"}))
    yield app
    app.close()


@pytest.fixture
def filled(app: LostFoundApp) -> LostFoundApp:
    for i, (colour, thing) in enumerate(KINDS):
        app.add_new_item(png(colour, thing, 500 + i), f"{colour} {thing}")
    return app


def titles(results: list[SearchResult]) -> list[str]:
    return [result.item.title for result in results]


def assert_ranked(results: list[SearchResult], n: int) -> None:
    assert [result.rank for result in results] == list(range(1, n + 1))
    scores = [result.score for result in results]
    assert scores == sorted(scores, reverse=True)
    assert all(-1.0001 <= score <= 1.0001 for score in scores)


# Find


def test_an_empty_collection_answers_nothing(app: LostFoundApp) -> None:
    assert app.count() == 0
    assert app.search_by_text("red disc") == []
    assert app.search_by_image(png("red", "disc", 1)) == []


def test_words_find_pictures(filled: LostFoundApp) -> None:
    def by_likeness(text: str, top_k: int) -> list[SearchResult]:
        return filled.search(Query(text, top_k=top_k, signal="likeness")).results

    assert_ranked(by_likeness("  Red\tdisc ", 5), 5)
    assert sum(titles(by_likeness(f"{colour} {thing}", 1)) == [f"{colour} {thing}"] for colour, thing in KINDS) >= 6
    assert_ranked(by_likeness("red disc", 50), len(KINDS))
    for colour, thing in KINDS:
        assert titles(filled.search_by_text(f"  {colour}\t{thing} ", 1)) == [f"{colour} {thing}"]
    assert len(filled.search_by_text("red disc")) == 5
    everything = filled.search_by_text("red disc", 50)
    assert [result.rank for result in everything] == list(range(1, len(KINDS) + 1))
    assert {result.item.item_id for result in everything} == {result.item.item_id for result in by_likeness("red disc", 50)}


def test_every_picture_finds_itself(filled: LostFoundApp) -> None:
    for i, (colour, thing) in enumerate(KINDS):
        best = filled.search_by_image(png(colour, thing, 500 + i), 1)[0]
        assert best.item.title == f"{colour} {thing}"
        assert best.score == pytest.approx(1.0, abs=1e-3)


def test_bytes_file_and_address_find_the_same(filled: LostFoundApp, tmp_path: Path) -> None:
    data = png("red", "disc", 77)
    (tmp_path / "query.png").write_bytes(data)
    answers = [filled.search_by_image(image, 3) for image in (data, tmp_path / "query.png", "https://shop.example/red.png")]
    assert answers[0] == answers[1] == answers[2]
    assert filled.search_by_picture(filled.look_at(data), 3) == answers[0]


def test_more_like_this_leaves_itself_out(filled: LostFoundApp) -> None:
    item = filled.search_by_text("red disc", 1)[0].item
    results = filled.search_by_item(item.item_id, 50)
    assert_ranked(results, len(KINDS) - 1)
    assert item.item_id not in {result.item.item_id for result in results}


@pytest.mark.slow
@pytest.mark.parametrize("top_k", [-1, 0, 51, 10**9, 10**400, 1.5, "NaN", "10; DROP", [1], None, True])
def test_an_impossible_number_of_results_is_refused(filled: LostFoundApp, top_k: object) -> None:
    item_id = filled.search_by_text("red disc", 1)[0].item.item_id
    for search in (
        lambda: filled.search_by_text("red disc", top_k),
        lambda: filled.search_by_image(png("red", "disc", 1), top_k),
        lambda: filled.search_by_item(item_id, top_k),
    ):
        with pytest.raises(QueryError, match="from 1 to 50") as caught:
            search()
        assert caught.value.code == "bad_request"
        assert len(str(caught.value)) < 200


@pytest.mark.slow
@pytest.mark.parametrize(
    ("query", "code"), [("", "text_empty"), (" \u200b", "text_empty"), ("x" * 201, "text_too_long"), (None, "bad_request")]
)
def test_an_impossible_query_is_refused(filled: LostFoundApp, query: str, code: str) -> None:
    with pytest.raises(QueryError) as caught:
        filled.search_by_text(query)
    assert caught.value.code == code
    assert caught.value.remedy


@pytest.mark.slow
@pytest.mark.parametrize(
    ("image", "error"),
    [
        (b"", PictureError),
        (b"no picture", PictureError),
        (b"\x89PNG" * 100_000, PictureError),
        ("https://shop.example/none.png", FetchError),
        ("https://shop.example/text", PictureError),
        (Path("/nowhere/at/all.png"), SourceError),
    ],
)
def test_what_is_no_picture_is_said(filled: LostFoundApp, image: bytes | str | Path, error: type[CrossmodalError]) -> None:
    for ask in (filled.search_by_image, filled.look_at, filled.add_new_item):
        with pytest.raises(error) as caught:
            ask(image)
        assert caught.value.remedy
    assert filled.count() == len(KINDS)


# Keep


def test_an_added_picture_is_there_at_once(app: LostFoundApp) -> None:
    outcome = app.add_new_item("https://shop.example/red.png", "  My \u202e red\n disc ")
    assert outcome.created
    assert outcome.item.title == "My red disc"
    assert outcome.item.origin == "https://shop.example/red.png"
    assert outcome.item.source == "added"
    assert (outcome.item.width_px, outcome.item.height_px) == (32, 32)
    assert app.count() == 1
    assert app.item(outcome.item.item_id) == outcome.item == app.search_by_text("anything", 1)[0].item
    assert app.thumbnail(outcome.item.item_id).startswith(b"\xff\xd8")
    assert app.rendition(outcome.item.item_id).startswith(b"\xff\xd8")


def test_the_same_file_again_is_the_same_item_with_further_words(app: LostFoundApp) -> None:
    first = app.add_new_item(png("red", "disc", 1), "first", attributes={"shelf": "3"})
    again = app.add_new_item(png("red", "disc", 1), "second", origin="elsewhere", attributes={"shelf": "4", "room": "hall"})
    assert not again.created
    assert again.item == replace(first.item, captions=("first", "second"), attributes={"shelf": "3", "room": "hall"})
    assert app.add_new_item(png("red", "disc", 1), "second") == again
    assert app.count() == 1


def test_a_picture_needs_no_title(app: LostFoundApp) -> None:
    item = app.add_new_item(png("red", "disc", 1)).item
    assert item.title == ""
    assert titles(app.search_by_text("red disc")) == [""]


def test_a_long_title_is_cut_and_kept_on_one_line(app: LostFoundApp) -> None:
    title = app.add_new_item(png("red", "disc", 1), "word\n" * 5000).item.title
    assert len(title) <= LIMITS.max_title_chars
    assert "\n" not in title


def test_removed_and_restored(filled: LostFoundApp) -> None:
    item = filled.search_by_text("red disc", 1)[0].item
    assert filled.remove_item(item.item_id) == item
    assert filled.count() == len(KINDS) - 1
    assert item not in [result.item for result in filled.search_by_text("red disc", 50)]
    with pytest.raises(QueryError):
        filled.item(item.item_id)
    assert filled.restore_item(item.item_id) == item
    assert filled.restore_item(item.item_id) == item  # the same wish twice
    assert filled.search_by_text("red disc", 1)[0].item == item


def test_a_removed_picture_can_be_added_again(app: LostFoundApp) -> None:
    first = app.add_new_item(png("red", "disc", 1), "first").item
    app.remove_item(first.item_id)
    outcome = app.add_new_item(png("red", "disc", 1), "second")
    assert outcome.created
    assert titles(app.search_by_text("red disc")) == ["second"]


@pytest.mark.slow
@pytest.mark.parametrize("item_id", [0, -1, 999, 2**62])
def test_an_unknown_item_is_said_by_every_door(filled: LostFoundApp, item_id: int) -> None:
    for ask in (filled.item, filled.thumbnail, filled.rendition, filled.remove_item, filled.restore_item, filled.search_by_item):
        with pytest.raises(QueryError) as caught:
            ask(item_id)
        assert caught.value.code == "not_found"
        assert caught.value.remedy


# Last


def test_nothing_is_lost_over_a_restart(filled: LostFoundApp, tmp_path: Path, model: TrainedModel) -> None:
    before = filled.search_by_text("red disc", 50)
    filled.close()
    assert (tmp_path / "image_features.pt").exists()
    for damage in (lambda path: None, Path.unlink, lambda path: path.write_bytes(b"damaged")):
        damage(tmp_path / "image_features.pt")
        again = make_app(tmp_path, model)
        assert again.search_by_text("red disc", 50) == before
        again.close()


def test_two_apps_on_one_collection_see_each_other(filled: LostFoundApp, tmp_path: Path, model: TrainedModel) -> None:
    other = make_app(tmp_path, model)
    added = other.add_new_item(png("red", "disc", 900), "from the other").item
    assert added in [result.item for result in filled.search_by_text("red disc", 50)]
    filled.remove_item(added.item_id)
    assert added not in [result.item for result in other.search_by_text("red disc", 50)]
    other.close()


def test_many_threads_add_and_search_at_once(app: LostFoundApp) -> None:
    def add(number: int) -> int:
        item = app.add_new_item(png("green", "bar", number), f"bar {number}").item
        assert item in [result.item for result in app.search_by_image(png("green", "bar", number), 50)]
        return item.item_id

    with ThreadPoolExecutor(4) as threads:
        ids = list(threads.map(add, range(24)))
    assert len(set(ids)) == 24 == app.count()


def test_switching_replaces_model_and_index_together(filled: LostFoundApp, tmp_path: Path, model: TrainedModel) -> None:
    """Another app on the same collection follows, and nothing mixes."""
    from engine.models.spec import ModelCard
    from engine.models.trained import build_untrained
    from tests.tiny import RANDOM, SPEC

    other = make_app(tmp_path, model)
    assert other.search_by_text("red disc", 1)
    card = ModelCard(RANDOM.name, RANDOM.note, "none", 0, 0.0, 0.0, None, ())
    new = TrainedModel(build_untrained(SPEC, seed=9), SPEC, card, model_id="").save(tmp_path / "model.pth")
    store = filled.store
    items = store.embeddings.missing(new.model_id, 100)
    assert len(items) == len(KINDS)
    pixels = np.stack([filled.look_at(filled.rendition(item.item_id)).pixels for item in items])
    store.embeddings.add(new.model_id, zip(items, new.encode_pixels(pixels), strict=True))
    assert filled.generation().model is model
    filled.switch_to(new)
    for app in (filled, other):
        generation = app.generation()
        assert generation.model.model_id == generation.index.model_id == new.model_id
        query = new.encode_texts(["red disc"])[0]
        best = max(query @ new.encode_pixels(pixels).T)
        assert app.search(Query("red disc", top_k=1, signal="likeness")).results[0].score == pytest.approx(best, abs=1e-3)
    other.close()


# Catalogues


def test_a_catalogue_ends_row_by_row(app: LostFoundApp, tmp_path: Path) -> None:
    rows = things(7)
    rows["https://shop.example/none.png"] = ("nowhere", b"")
    rows["text.png"] = ("a text", b"I am a text.")
    rows["cut.png"] = ("half a picture", png("red", "disc", 3)[:90])
    source = open_source(csv_source(tmp_path / "mine", rows), limits=SourceLimits())
    dataset = SimpleIndexDataset(source, fetch=app.fetcher.fetch, max_image_bytes=LIMITS.max_image_bytes)
    report = app.index_dataset(dataset)
    assert (report.indexed, report.failed) == (7, 3)
    assert app.count() == 7
    failed = {failure.title: failure for failure in app.store.failures.all()}
    assert failed.keys() == {"nowhere", "a text", "half a picture"}
    assert failed["nowhere"].code == "http_status"
    assert failed["a text"].code == "not_an_image"
    assert failed["half a picture"].code in ("image_corrupt", "not_an_image")
    assert all(failure.reason and failure.remedy for failure in failed.values())
    assert {item.title for item in app.store.items.page(50)} == {title for title, _ in list(rows.values())[:7]}
    assert app._build_index_from_dataset(dataset).unchanged == 7  # by its documented name


# Closing


def test_closing_gives_up_a_cache_that_cannot_be_written(
    tmp_path: Path, model: TrainedModel, caplog: pytest.LogCaptureFixture
) -> None:
    """The collection is the truth: a full disk costs the next start a second, and no search its good end."""
    app = make_app(tmp_path, model)
    app.add_new_item(png("red", "disc", 1), "red disc")
    (tmp_path / "no folder").write_text("")
    app.generations.latest.index.path = tmp_path / "no folder" / "image_features.pt"
    assert app.search_by_text("red disc", 1)
    app.close()
    assert "no folder" in caplog.text
    assert app.decoder.closed  # type: ignore[attr-defined]
    with pytest.raises(StoreError, match="was closed"):
        app.item(1)
    assert (tmp_path / "text_features.pt").exists()


def test_closing_closes_everything_whatever_goes_wrong(
    tmp_path: Path, model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(tmp_path, model)

    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(app.generations, "save", fail)
    monkeypatch.setattr(app.decoder, "close", fail)
    with pytest.raises(ZeroDivisionError):
        app.close()
    with pytest.raises(StoreError, match="was closed"):
        app.item(1)
