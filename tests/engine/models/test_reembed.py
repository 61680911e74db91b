"""Embeddings that are missing are made from what is stored; one picture that cannot be read costs itself and nothing else."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from crossmodal.errors import BusyError, CrossmodalError, QueryError, StoreError
from crossmodal.items import Fit, Picture
from crossmodal.progress import Progress, ignore_progress
from engine.live import LiveApp
from engine.models.loading import load_model
from engine.models.reembed import embed_missing
from engine.models.trained import TrainedModel
from engine.query import Query
from tests.app_parts import make_live_app, png
from tests.tiny import untrained

ITEMS = 12


def saved(path: Path, *, seed: int) -> TrainedModel:
    return untrained(seed=seed).save(path)


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveApp]:
    monkeypatch.setattr("engine.models.reembed._ITEMS_AT_ONCE", 4)
    app = make_live_app(tmp_path, saved(tmp_path / "model.pth", seed=1))
    for number in range(ITEMS):
        app.add_new_item(png("red", "disc", number), f"disc {number}")
    app.store.meta.set("active_model", app.generation().model.model_id)
    yield app
    app.close()


@pytest.fixture
def new(tmp_path: Path) -> TrainedModel:
    return saved(tmp_path / "new.pth", seed=2)


def damage(app: LiveApp, item_id: int, picture: bytes = b"no picture") -> None:
    """The stored picture is not what was written any more."""
    with closing(sqlite3.connect(app.store.path)) as db, db:
        db.execute(
            "UPDATE pictures SET rendition = ? WHERE content_hash = (SELECT content_hash FROM items WHERE item_id = ?)",
            (picture, item_id),
        )


def test_the_others_get_theirs(app: LiveApp, new: TrainedModel, caplog: pytest.LogCaptureFixture) -> None:
    first, second = (app.page(ITEMS)[place].item_id for place in (1, 6))
    damage(app, first)
    damage(app, second, b"")
    told: list[Progress] = []
    outcome = embed_missing(new, app.store, app.encoding, told.append)
    assert outcome.made == ITEMS - 2 == app.store.models.counts()[new.model_id]
    assert outcome.unreadable == {first, second}
    assert f"Item {first} of the collection is damaged" in caplog.text
    assert (told[-1].finished, told[-1].failed) == (True, 2)
    again = embed_missing(new, app.store, app.encoding, ignore_progress)
    assert (again.made, again.unreadable) == (0, {first, second})


def test_what_was_removed_meanwhile_is_no_trouble(app: LiveApp, new: TrainedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    rendition, gone = app.store.pictures.rendition, app.page(ITEMS)[3].item_id

    def removed_first(item_id: int) -> bytes:
        if item_id == gone:
            app.store.items.remove([gone])
        return rendition(item_id)

    monkeypatch.setattr(app.store.pictures, "rendition", removed_first)
    outcome = embed_missing(new, app.store, app.encoding, ignore_progress)
    assert (outcome.made, outcome.unreadable) == (ITEMS - 1, frozenset())


@pytest.mark.parametrize(
    "error",
    [BusyError("busy", "Too many pictures."), StoreError("index_missing", "The disk is gone."), QueryError("bad_request", "x")],
)
def test_what_is_no_fault_of_the_picture_ends_the_pass(
    app: LiveApp, new: TrainedModel, monkeypatch: pytest.MonkeyPatch, error: CrossmodalError
) -> None:
    def fail(data: bytes, *, square_px: int, fit: Fit) -> Picture:
        raise error

    monkeypatch.setattr(app.decoder, "decode", fail)
    with pytest.raises(type(error)):
        embed_missing(new, app.store, app.encoding, ignore_progress)


def test_a_picture_that_cannot_be_read_does_not_hold_up_a_new_model(app: LiveApp, tmp_path: Path, new: TrainedModel) -> None:
    """Its item stays in the collection and is found again when its picture comes again."""
    item = app.page(ITEMS)[5]
    damage(app, item.item_id)
    message = app.switching.run(app.switching.import_file(tmp_path / "new.pth"), ignore_progress)
    assert "1 stored picture cannot be read" in message
    assert load_model(tmp_path / "model.pth").model_id == app.generation().model.model_id == new.model_id
    found = {result.item.item_id for result in app.search(Query("disc", top_k=50, signal="likeness")).results}
    assert found == {each.item_id for each in app.page(ITEMS)} - {item.item_id}
    assert app.item(item.item_id) == item
    by_words = app.search_by_text(item.title, 1)[0]
    assert (by_words.item, by_words.score, by_words.found_by) == (item, 0.0, "words")
    app.remove_item(item.item_id)
    assert app.add_new_item(png("red", "disc", 5), "disc 5").item.item_id == item.item_id
    assert len(app.search_by_text("disc", 50)) == ITEMS


def test_an_item_that_slips_in_beside_one_that_cannot_be_read_still_counts(app: LiveApp, new: TrainedModel) -> None:
    damaged = app.page(ITEMS)[0].item_id
    damage(app, damaged)
    unreadable = embed_missing(new, app.store, app.encoding, ignore_progress).unreadable
    late = app.add_new_item(png("blue", "bar", 99), "late").item.item_id
    assert not app.store.models.activate(new.model_id, unreadable=unreadable)
    assert not app.store.models.activate(new.model_id, unreadable={late})
    assert not app.store.models.activate(new.model_id)
    embed_missing(new, app.store, app.encoding, ignore_progress)
    assert app.store.models.activate(new.model_id, unreadable=unreadable)


def test_what_cannot_be_read_can_be_removed_and_stays_so(app: LiveApp, tmp_path: Path, new: TrainedModel) -> None:
    """Bringing it back would make an item that nobody finds."""
    item_id = app.page(ITEMS)[5].item_id
    damage(app, item_id)
    app.remove_item(item_id)
    app.switching.run(app.switching.import_file(tmp_path / "new.pth"), ignore_progress)
    with pytest.raises(StoreError, match="is damaged"):
        app.restore_item(item_id)
    with pytest.raises(QueryError):
        app.item(item_id)


def test_a_picture_the_decoder_refuses_is_passed_over(app: LiveApp, monkeypatch: pytest.MonkeyPatch) -> None:
    model = replace_model(app)
    decode, calls = app.decoder.decode, []

    def refuse(data: bytes, *, square_px: int, fit: Fit) -> Picture:
        calls.append(1)
        return decode(b"no picture" if len(calls) == 2 else data, square_px=square_px)

    monkeypatch.setattr(app.decoder, "decode", refuse)
    outcome = embed_missing(model, app.store, app.encoding, ignore_progress)
    assert (outcome.made, len(outcome.unreadable)) == (ITEMS - 1, 1)


def replace_model(app: LiveApp) -> TrainedModel:
    present = app.generation().model
    return TrainedModel(present.system, replace(present.spec), present.card, model_id="another")
