"""Words of an item: given with the picture, changed later, refused when they are no words."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from crossmodal.errors import QueryError
from crossmodal.progress import ignore_progress
from engine.live import LiveApp
from engine.models.trained import TrainedModel
from tests.app_parts import LIMITS, csv_source, make_live_app, png
from tests.tiny import shared_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    return shared_model().save(tmp_path_factory.mktemp("model") / "model.pth")


@pytest.fixture
def app(tmp_path: Path, model: TrainedModel) -> Iterator[LiveApp]:
    app = make_live_app(tmp_path, model)
    yield app
    app.close()


def test_words_come_with_the_picture(app: LiveApp) -> None:
    outcome = app.add_new_item(
        png("red", "disc", 1), "a disc", captions=["red \u202e disc", "  ", "round"], attributes={"colour": "red"}
    )
    item = app.item(outcome.item.item_id)
    assert (item.title, item.captions, dict(item.attributes)) == ("a disc", ("red disc", "round"), {"colour": "red"})


def test_a_title_and_attributes_can_be_changed(app: LiveApp, tmp_path: Path, model: TrainedModel) -> None:
    item = app.add_new_item(png("red", "disc", 1), "first", attributes={"colour": "red"}).item
    changed = app.update_item(item.item_id, title=" second\n title ")
    assert (changed.title, dict(changed.attributes)) == ("second title", {"colour": "red"})
    changed = app.update_item(item.item_id, attributes={"size": "3"})
    assert (changed.title, dict(changed.attributes)) == ("second title", {"size": "3"})
    assert app.update_item(item.item_id) == changed == app.item(item.item_id)
    assert app.update_item(item.item_id, title="", attributes={}).title == ""
    other = make_live_app(tmp_path, model)
    assert other.item(item.item_id) == app.item(item.item_id)
    other.close()


@pytest.mark.parametrize("item_id", [0, -1, 999, 2**70])
def test_what_is_not_there_cannot_be_changed(app: LiveApp, item_id: int) -> None:
    with pytest.raises(QueryError) as raised:
        app.update_item(item_id, title="x")
    assert raised.value.code == "not_found"


@pytest.mark.parametrize(
    "words",
    [
        {"title": 3},
        {"attributes": "colour"},
        {"attributes": {"colour": 3}},
        {"attributes": {"": "red"}},
        {"attributes": {"colour": "x" * (LIMITS.max_query_chars + 1)}},
        {"attributes": {str(n): "" for n in range(LIMITS.max_attributes + 1)}},
        {"captions": "one text"},
        {"captions": [None]},
        {"captions": ["x"] * (LIMITS.max_captions + 1)},
    ],
)
def test_what_are_no_words_is_refused_and_nothing_changes(app: LiveApp, words: dict[str, object]) -> None:
    with pytest.raises(QueryError) as raised:
        app.add_new_item(png("red", "disc", 1), **words)  # type: ignore[arg-type]
    assert raised.value.code == "bad_request"
    assert raised.value.remedy
    assert app.count() == 0
    if "captions" not in words:
        item = app.add_new_item(png("red", "disc", 1), "kept", attributes={"a": "b"}).item
        with pytest.raises(QueryError):
            app.update_item(item.item_id, **words)  # type: ignore[arg-type]
        assert app.item(item.item_id) == item


def test_pages_and_values_for_filters(app: LiveApp) -> None:
    ids = [app.add_new_item(png("red", "disc", n), f"disc {n}", attributes={"parity": str(n % 2)}).item.item_id for n in range(5)]
    assert [item.item_id for item in app.items_page(2)] == ids[:2]
    assert [item.item_id for item in app.items_page(50, ids[1], where={"parity": "1"})] == [ids[3]]
    assert app.attribute_values() == {"parity": [("0", 3), ("1", 2)]}
    for wrong in ({"limit": 0}, {"limit": 1, "after_id": -1}, {"limit": 1, "after_id": "1"}, {"limit": 1, "where": [1]}):
        with pytest.raises(QueryError):
            app.items_page(**wrong)  # type: ignore[arg-type]


def test_words_that_an_item_has_again_are_embedded_again(app: LiveApp, tmp_path: Path) -> None:
    """A folder names a picture after its file, its table names it otherwise; then the table goes."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "red disc.png").write_bytes(png("red", "disc", 1))
    (tmp_path / "table.csv").write_text("title,imgUrl\nblue bar,pictures/red disc.png\n", encoding="utf-8")
    for location in (folder, tmp_path / "table.csv"):
        app.tasks.index(str(location), ignore_progress, threading.Event())
    model_id = app.generation().model.model_id
    [item] = app.page(9)
    assert (item.title, app.store.texts.embedded(["red disc", "blue bar"], model_id)) == ("blue bar", {"blue bar"})
    assert app.remove_source(str(tmp_path / "table.csv")) == 0
    [item] = app.page(9)
    assert (item.title, app.store.texts.embedded(["red disc", "blue bar"], model_id)) == ("red disc", {"red disc"})


def test_a_new_title_beside_the_captions_of_other_sources_is_embedded(app: LiveApp, tmp_path: Path) -> None:
    table = csv_source(tmp_path / "shop", {"1.png": ("a disc", png("red", "disc", 1))})
    app.tasks.index(str(table), ignore_progress, threading.Event())
    item = app.add_new_item(png("red", "disc", 1), captions=["a round thing"]).item
    assert item.captions == ("a disc", "a round thing")
    assert app.update_item(item.item_id, title="my disc").captions == ("my disc", "a round thing")
    assert app.store.texts.missing(app.generation().model.model_id, 9) == []
