"""Image → text: what items say is found by pictures, follows every change, and comes once."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from crossmodal.errors import QueryError
from crossmodal.items import CaptionResult
from crossmodal.progress import ignore_progress
from engine.live import LiveApp
from engine.models.trained import TrainedModel
from tests.app_parts import csv_source, make_live_app, png, things
from tests.tiny import COLOURS, THINGS, shared_model

KINDS = [(colour, thing) for colour in COLOURS for thing in THINGS]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    return shared_model().save(tmp_path_factory.mktemp("model") / "model.pth")


@pytest.fixture
def app(tmp_path: Path, model: TrainedModel) -> Iterator[LiveApp]:
    app = make_live_app(tmp_path, model)
    yield app
    app.close()


def said(results: list[CaptionResult]) -> list[str]:
    return [result.caption for result in results]


def fill(app: LiveApp) -> None:
    for i, (colour, thing) in enumerate(KINDS):
        app.add_new_item(png(colour, thing, i), f"{colour} {thing}")


def test_an_empty_collection_says_nothing(app: LiveApp) -> None:
    assert app.captions_for_image(png("red", "disc", 1)) == []


def test_the_nearest_texts_against_a_plain_copy(app: LiveApp) -> None:
    fill(app)
    model = app.generation().model
    texts = [f"{colour} {thing}" for colour, thing in KINDS]
    rows = model.encode_texts(texts)
    for seed in range(3):
        picture = app.look_at(png("red", "disc", 100 + seed))
        query = model.encode_pixels(picture.pixels[None])[0]
        results = app.captions_for_picture(picture, 50)
        expected = sorted(zip((rows @ query).tolist(), texts, strict=True), reverse=True)
        assert [result.score for result in results] == pytest.approx([score for score, _ in expected], abs=1e-5)
        assert said(results) == [text for _, text in expected]
        assert [result.rank for result in results] == list(range(1, len(KINDS) + 1))
        assert all(result.item.title == result.caption for result in results)
        assert app.captions_for_image(png("red", "disc", 100 + seed), 3) == results[:3]


def test_equal_texts_come_once_with_their_oldest_item(app: LiveApp) -> None:
    items = [app.add_new_item(png("red", "disc", n), "red disc").item for n in range(3)]
    app.add_new_item(png("blue", "bar", 9), "a title", captions=["red disc", "blue bar", "blue bar"])
    results = app.captions_for_image(png("red", "disc", 0))
    assert sorted(said(results)) == ["blue bar", "red disc"]  # a title counts only where there are no captions
    assert {result.caption: result.item.item_id for result in results}["red disc"] == items[0].item_id
    app.remove_item(items[0].item_id)
    assert {result.caption: result.item.item_id for result in app.captions_for_image(png("red", "disc", 0))}["red disc"] == items[
        1
    ].item_id


def test_texts_follow_their_items(app: LiveApp) -> None:
    item = app.add_new_item(png("red", "disc", 1), "red disc").item
    app.add_new_item(png("blue", "bar", 2))  # without words
    query = png("red", "disc", 3)
    assert said(app.captions_for_image(query)) == ["red disc"]
    app.update_item(item.item_id, title="green bar")
    assert said(app.captions_for_image(query)) == ["green bar"]
    app.remove_item(item.item_id)
    assert app.captions_for_image(query) == []
    app.restore_item(item.item_id)
    assert said(app.captions_for_image(query)) == ["green bar"]
    app.update_item(item.item_id, title="")
    assert app.captions_for_image(query) == []
    app.remove_item(item.item_id)
    app.tasks.forget_removed()
    assert app.store.texts.missing("nobody's", 10) == []


def test_an_item_can_leave_out_what_it_says_itself(app: LiveApp) -> None:
    fill(app)
    item = app.search_by_text("red disc", 1)[0].item
    assert item.title in said(app.captions_for_item(item.item_id, 50))
    results = app.captions_for_item(item.item_id, 50, exclude_own=True)
    assert item.title not in said(results)
    assert len(results) == len(KINDS) - 1
    with pytest.raises(QueryError) as raised:
        app.captions_for_item(999)
    assert raised.value.code == "not_found"
    for top_k in (0, 51, "5"):
        with pytest.raises(QueryError) as raised:
            app.captions_for_item(item.item_id, top_k)  # type: ignore[arg-type]
        assert raised.value.code == "bad_request"


def test_a_catalogue_brings_its_texts_and_another_process_sees_them(app: LiveApp, tmp_path: Path, model: TrainedModel) -> None:
    other = make_live_app(tmp_path, model)
    rows = things(12)
    path = csv_source(tmp_path / "mine", rows)
    app.tasks.index(str(path), ignore_progress)
    query = png("red", "disc", 3)
    titles = {title for title, _ in rows.values()}
    assert set(said(app.captions_for_image(query, 50))) == set(said(other.captions_for_image(query, 50))) == titles
    assert app.store.texts.missing(model.model_id, 10) == []
    name = next(iter(rows))
    csv_source(tmp_path / "mine", {**rows, name: ("an odd text", rows[name][1])})
    app.tasks.index(str(path), ignore_progress)
    assert "an odd text" in said(other.captions_for_image(query, 50))
    assert other.captions_for_image(query, 50) == app.captions_for_image(query, 50)
    other.close()


def test_texts_without_embeddings_are_read_at_the_start(app: LiveApp, tmp_path: Path, model: TrainedModel) -> None:
    """As after the migration of an older collection, or when another program brought the items."""
    fill(app)
    with app.store._database.writing() as db:
        db.execute("DELETE FROM text_embeddings")
    app.close()
    (tmp_path / "text_features.pt").unlink()
    again = make_live_app(tmp_path, model)
    assert again.captions_for_image(png("red", "disc", 3)) == []
    again.tasks.embed_missing(model, ignore_progress)
    assert len(again.captions_for_image(png("red", "disc", 3), 50)) == len(KINDS)
    again.close()


def test_a_damaged_text_is_dropped_and_made_again(app: LiveApp, tmp_path: Path, model: TrainedModel) -> None:
    fill(app)
    with app.store._database.writing() as db:
        db.execute("UPDATE text_embeddings SET embedding = zeroblob(128) WHERE text_id = 2")
    app.close()
    (tmp_path / "text_features.pt").unlink(missing_ok=True)
    again = make_live_app(tmp_path, model)
    assert len(again.captions_for_image(png("red", "disc", 3), 50)) == len(KINDS) - 1
    again.tasks.embed_missing(model, ignore_progress)
    assert len(again.captions_for_image(png("red", "disc", 3), 50)) == len(KINDS)
    again.close()


def test_the_files_of_pictures_and_texts_are_not_taken_for_each_other(app: LiveApp, tmp_path: Path, model: TrainedModel) -> None:
    fill(app)
    before = app.captions_for_image(png("red", "disc", 3), 50), app.search_by_text("red disc", 50)
    app.close()
    (tmp_path / "text_features.pt").write_bytes((tmp_path / "image_features.pt").read_bytes())
    again = make_live_app(tmp_path, model)
    assert (again.captions_for_image(png("red", "disc", 3), 50), again.search_by_text("red disc", 50)) == before
    again.close()


def test_words_no_model_can_read_do_no_harm(app: LiveApp) -> None:
    app.add_new_item(png("red", "disc", 1), "a", captions=["…", "\u2800", "red disc"])
    assert "red disc" in said(app.captions_for_image(png("red", "disc", 3)))
    assert np.isfinite([result.score for result in app.captions_for_image(png("red", "disc", 3))]).all()
