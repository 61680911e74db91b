"""Long work on a live collection: indexing, retrying, training, and taking over only what is better."""

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from crossmodal.errors import BusyError, QueryError, SourceError, TrainingError
from crossmodal.items import Fit, Picture
from crossmodal.progress import Progress, Stopped, check_stop, ignore_progress
from engine.live import LiveApp
from engine.models.loading import load_model
from engine.models.trained import TrainedModel
from tests.app_parts import FakeFetcher, csv_source, make_live_app, png, things
from tests.engine.test_retraining import damage
from tests.tiny import SMALL, SMALL_SETTINGS, shared_model, untrained

LONG_S = 120.0
QUICK = replace(SMALL_SETTINGS, max_epochs=4)


def saved(folder: Path, *, seed: int = 5) -> TrainedModel:
    return untrained(seed=seed).save(folder / "model.pth")


@pytest.fixture
def app(tmp_path: Path) -> Iterator[LiveApp]:
    app = make_live_app(tmp_path, saved(tmp_path), training=QUICK)
    yield app
    app.stop_job()
    app.jobs.wait(LONG_S)
    app.close()


def indexed(app: LiveApp, folder: Path, n: int, *, seed: int = 0) -> Path:
    path = csv_source(folder, things(n, seed=seed))
    app.tasks.index(str(path), ignore_progress)
    return path


# Indexing


def test_indexing_says_what_came_of_it(app: LiveApp, tmp_path: Path) -> None:
    path = csv_source(tmp_path / "mine", things(12))
    told: list[Progress] = []
    assert app.tasks.index(str(path), told.append) == "12 pictures indexed, 0 unchanged, 0 failed."
    assert told[-1].done == 12
    assert app.tasks.index(str(path), ignore_progress) == "0 pictures indexed, 12 unchanged, 0 failed."
    assert app.count() == 12
    assert app.tasks.is_complete(app.tasks.open(str(path)))


def test_failed_rows_can_be_repaired_and_tried_again(tmp_path: Path) -> None:
    """One address that answers 404, one text, one picture cut short, in a catalogue of ten."""
    rows = things(7)
    rows["https://shop.example/later.png"] = ("red disc later", b"")
    rows["text.png"] = ("a text", b"I am a text.")
    rows["cut.png"] = ("a cut picture", png("red", "bar", 4)[:90])
    shelf = FakeFetcher()
    app = make_live_app(tmp_path, saved(tmp_path), shelf)
    path = csv_source(tmp_path / "mine", rows)
    assert app.tasks.index(str(path), ignore_progress).startswith("7 pictures indexed, 0 unchanged, 3 failed")
    assert {failure.title for failure in app.failures()} == {"red disc later", "a text", "a cut picture"}
    (path.parent / "cut.png").write_bytes(png("red", "bar", 4))
    shelf.pictures["https://shop.example/later.png"] = png("red", "disc", 5)
    assert app.tasks.retry(ignore_progress) == "2 of 3 failed rows are in the collection now."
    assert [failure.title for failure in app.failures()] == ["a text"]
    assert app.failures()[0].attempts == 2
    assert app.count() == 9
    app.close()


@pytest.mark.slow
def test_a_catalogue_that_is_gone_does_not_stop_the_others(app: LiveApp, tmp_path: Path) -> None:
    """One disk is unplugged: the catalogue behind it keeps what it has."""
    gone = csv_source(tmp_path / "disk", {**things(30), "bad.png": ("a text", b"I am a text.")})
    here = csv_source(tmp_path / "mine", {**things(29, seed=1), "cut.png": ("a cut picture", png("red", "bar", 4)[:90])})
    for path in (gone, here):
        app.tasks.index(str(path), ignore_progress)
    gone.parent.rename(tmp_path / "unplugged")
    (here.parent / "cut.png").write_bytes(png("red", "bar", 4))
    name = next(entry.name for entry in app.store.sources.all() if entry.location == str(gone))
    said = app.tasks.retry(ignore_progress)
    assert said.startswith("1 of 2 failed rows are in the collection now. ")
    assert f"{name} was left as it is: " in said
    assert app.count() == 60
    csv_source(here.parent, things(40, seed=1))
    said = app.tasks.rebuild(ignore_progress)
    assert f"{name} was left as it is: " in said
    assert app.count() == 70
    assert app.generation().model.card.trained_on == 56 or "stays" in said
    with pytest.raises(Stopped):
        app.tasks.rebuild(ignore_progress, stopped())


def stopped() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


@pytest.mark.slow
def test_a_stopped_index_goes_on_where_it_stopped(app: LiveApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = csv_source(tmp_path / "mine", things(300))
    stop, decode, decoded = threading.Event(), app.decoder.decode, []

    def stop_soon(data: bytes, *, square_px: int, fit: Fit) -> Picture:
        decoded.append(data)
        if len(decoded) == 40:
            stop.set()
        return decode(data, square_px=square_px, fit=fit)

    monkeypatch.setattr(app.decoder, "decode", stop_soon)
    with pytest.raises(Stopped):
        app.tasks.index(str(path), ignore_progress, stop)
    so_far = app.count()
    assert 0 <= so_far < 300
    assert not app.tasks.is_complete(app.tasks.open(str(path)))
    decoded.clear()
    message = app.tasks.index(str(path), ignore_progress)
    assert message == f"{300 - so_far} pictures indexed, {so_far} unchanged, 0 failed."
    assert app.count() == 300


@pytest.mark.slow
def test_the_demo_leaves_when_something_of_ones_own_comes(app: LiveApp, tmp_path: Path) -> None:
    indexed(app, tmp_path / "demo", 10)
    assert [entry.name for entry in app.store.sources.all()] == ["demo"]
    csv_source(tmp_path / "broken", {"none.png": ("nothing", b"")})
    app.tasks.index(str(tmp_path / "broken"), ignore_progress)
    assert app.count() == 10  # nothing came: the demo stays
    path = csv_source(tmp_path / "mine", things(3, seed=1))
    said = app.tasks.index(str(path), ignore_progress)
    assert said == "3 pictures indexed, 0 unchanged, 0 failed. The demo's 10 pictures made room for yours."
    assert "demo" not in {entry.name for entry in app.store.sources.all()}
    assert app.count() == 3


@pytest.mark.slow
def test_removed_items_can_be_brought_back_for_a_day_and_stay_away_after_it(
    app: LiveApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = indexed(app, tmp_path / "mine", 3)
    item = app.page(1)[0]
    app.remove_item(item.item_id)
    assert app.tasks.forget_removed() == 0
    app.restore_item(item.item_id)
    app.remove_item(item.item_id)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 86_401)
    assert app.tasks.forget_removed() == 1
    with pytest.raises(QueryError):
        app.restore_item(item.item_id)
    app.tasks.index(str(path), ignore_progress)
    assert app.count() == 2
    app.store.sources.remove(app.store.sources.all()[0].name)
    app.tasks.index(str(path), ignore_progress)
    assert app.count() == 3, "a catalogue that was taken out starts anew"


@pytest.mark.slow
def test_a_catalogue_that_changed_while_it_was_read_was_not_read_whole(app: LiveApp, tmp_path: Path) -> None:
    path = csv_source(tmp_path / "mine", things(3, seed=1))

    def change(_progress: Progress) -> None:
        os.utime(path)

    app.tasks.index(str(path), change)
    assert not app.tasks.is_complete(app.tasks.open(str(path)))
    time.sleep(0.02)
    app.tasks.index(str(path), ignore_progress)
    assert app.tasks.is_complete(app.tasks.open(str(path)))


# Training


@pytest.mark.slow
def test_training_takes_over_when_it_is_better(tmp_path: Path) -> None:
    app = make_live_app(tmp_path, saved(tmp_path), training=SMALL_SETTINGS)
    indexed(app, tmp_path / "mine", 80)
    former = app.generation().model
    told: list[Progress] = []
    message = app.tasks.train(told.append)
    assert message.startswith("The new model is in use: it finds")
    model = app.generation().model
    assert model.model_id != former.model_id
    assert model.card.held_out is not None
    assert model.card.held_out.queries == 16  # a fifth of 80
    assert model.card.trained_on == 64
    assert load_model(tmp_path / "model.pth").model_id == model.model_id
    assert app.count() == 80
    assert app.search_by_text("red disc", 1)[0].score > 0
    assert {moment.step for moment in told} == {"model", "index"}
    assert set(app.store.models.counts()) <= {former.model_id, model.model_id}
    assert not list(tmp_path.glob("*.next"))
    app.close()


@pytest.mark.slow
def test_a_model_that_is_no_better_changes_nothing(tmp_path: Path) -> None:
    good = shared_model().save(tmp_path / "model.pth")
    app = make_live_app(tmp_path, good, training=replace(SMALL_SETTINGS, max_epochs=1, learning_rate=1e-6))
    indexed(app, tmp_path / "mine", 60)
    before = (tmp_path / "model.pth").read_bytes()
    assert "stays" in app.tasks.train(ignore_progress)
    assert app.generation().model is good
    assert (tmp_path / "model.pth").read_bytes() == before
    assert set(app.store.models.counts()) == {good.model_id}
    app.close()


def test_a_training_uses_the_device_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    app = make_live_app(tmp_path, saved(tmp_path), training=replace(QUICK, device="cuda"))
    told: list[Progress] = []
    with pytest.raises(QueryError, match="device cuda is not available"):
        app.tasks.train(told.append)
    assert not told
    app.close()


@pytest.mark.slow
def test_a_training_says_which_pictures_it_did_without(tmp_path: Path) -> None:
    good = shared_model().save(tmp_path / "model.pth")
    app = make_live_app(tmp_path, good, training=replace(SMALL_SETTINGS, max_epochs=1, learning_rate=1e-6))
    indexed(app, tmp_path / "mine", 60)
    damage(tmp_path, 0, 41)
    assert app.tasks.train(ignore_progress).endswith(" 2 damaged pictures were left out.")
    app.close()


@pytest.mark.slow
@pytest.mark.parametrize("at", ["training", "index"])
def test_a_stop_in_the_middle_changes_nothing(tmp_path: Path, at: str) -> None:
    app = make_live_app(
        tmp_path, saved(tmp_path), training=SMALL_SETTINGS
    )  # long enough to be better, so that it comes to the index
    indexed(app, tmp_path / "mine", 80)
    former, before, results = app.generation().model, (tmp_path / "model.pth").read_bytes(), app.search_by_text("red disc", 50)
    stop = threading.Event()

    def stop_at(moment: Progress) -> None:
        if moment.step == ("index" if at == "index" else "model") and moment.done:
            stop.set()

    with pytest.raises(Stopped):
        app.tasks.train(stop_at, stop)
    assert app.generation().model is former
    assert (tmp_path / "model.pth").read_bytes() == before
    assert app.search_by_text("red disc", 50) == results
    app.close()


def test_too_few_titled_pictures_are_said(app: LiveApp, tmp_path: Path) -> None:
    indexed(app, tmp_path / "mine", 20)
    with pytest.raises(TrainingError, match="20 pictures with titles; training needs 50") as caught:
        app.tasks.train(ignore_progress)
    assert caught.value.remedy


@pytest.mark.slow
def test_the_material_is_split_once_for_all(app: LiveApp, tmp_path: Path) -> None:
    indexed(app, tmp_path / "mine", 60)
    app.add_new_item(png("red", "disc", 9999))  # no title: nothing to learn from
    first, again = app.tasks.training_data(ignore_progress, None), app.tasks.training_data(ignore_progress, None)
    assert first.held_out.content_hashes == again.held_out.content_hashes
    assert (len(first.train), len(first.held_out)) == (48, 12)
    assert not set(first.train.content_hashes) & set(first.held_out.content_hashes)


@pytest.mark.slow
def test_a_large_collection_is_sampled(tmp_path: Path) -> None:
    app = make_live_app(tmp_path, saved(tmp_path), max_pictures=60)
    indexed(app, tmp_path / "mine", 120)
    data = app.tasks.training_data(ignore_progress, None)
    assert 50 <= len(data.train) + len(data.held_out) <= 80
    app.close()


@pytest.mark.slow
def test_the_estimate_tells_whether_it_is_worth_the_time(app: LiveApp, tmp_path: Path) -> None:
    assert not app.training_estimate().worthwhile
    indexed(app, tmp_path / "demo", 60)
    demo = app.training_estimate()
    assert (demo.pictures, demo.worthwhile) == (60, False)
    assert demo.seconds == pytest.approx(2.0 * 60 / 10)  # the last training took 2 s for 10 pictures
    assert "demo" in demo.reason
    indexed(app, tmp_path / "mine", 70, seed=1)
    own = app.training_estimate()
    assert (own.pictures, own.worthwhile) == (70, True)


# Jobs


def test_indexing_in_the_background(app: LiveApp, tmp_path: Path) -> None:
    path = csv_source(tmp_path / "mine", things(12))
    status = app.start_indexing(str(path))
    assert (status.name, status.state) == ("index", "running")
    ended = app.jobs.wait(LONG_S)
    assert ended is not None
    assert (ended.state, ended.message) == ("done", "12 pictures indexed, 0 unchanged, 0 failed.")
    assert app.count() == 12


@pytest.mark.slow
@pytest.mark.parametrize("where", ["", "/nowhere/at/all", "https://shop.example/a.csv", "\0"])
def test_a_wrong_path_is_said_at_once(app: LiveApp, where: str) -> None:
    with pytest.raises(SourceError) as caught:
        app.start_indexing(where)
    assert caught.value.remedy
    assert app.jobs.current() is None


@pytest.mark.slow
def test_one_job_at_a_time_and_searching_goes_on(app: LiveApp, tmp_path: Path) -> None:
    indexed(app, tmp_path / "mine", 80)
    app.start_training()
    for start in (app.start_training, app.start_rebuild, app.start_retry, lambda: app.start_indexing(str(tmp_path / "mine"))):
        with pytest.raises(BusyError):
            start()
    assert len(app.search_by_text("red disc", 5)) == 5
    app.stop_job()
    ended = app.jobs.wait(LONG_S)
    assert ended is not None
    assert ended.state == "stopped"


@pytest.mark.slow
def test_rebuild_reads_again_and_trains(app: LiveApp, tmp_path: Path) -> None:
    path = indexed(app, tmp_path / "mine", 60)
    csv_source(path.parent, things(70))
    app.start_rebuild()
    ended = app.jobs.wait(LONG_S)
    assert ended is not None
    assert ended.state == "done", ended.message
    assert app.count() == 70
    assert "of 14 held-out titles" in ended.message  # a fifth of the 70, not of the 60 there were


# What a page shows


def test_the_system_at_a_glance(app: LiveApp, tmp_path: Path) -> None:
    indexed(app, tmp_path / "mine", 5)
    app.add_new_item(png("red", "disc", 800), "by hand")
    info = app.info()
    assert (info.items, info.failures) == (6, 0)
    assert info.data_dir == tmp_path
    assert info.model.model_id == app.generation().model.model_id
    assert info.model.embed_dim == SMALL.embed_dim
    assert [(entry.items, entry.complete) for entry in info.sources] == [(5, True), (1, True)]
    assert info.device.startswith("CPU, ")


def test_examples_and_words_come_from_the_collection(app: LiveApp, tmp_path: Path) -> None:
    assert app.example_queries() == []
    assert app.unknown_words("umbrella") == []  # an empty collection knows no words, and blames nobody
    indexed(app, tmp_path / "mine", 10)
    examples = app.example_queries(4)
    assert len(set(examples)) == 4
    assert all(len(example.split()) == 2 for example in examples)
    assert app.unknown_words("a yelow disc with umbrella") == ["yelow", "umbrella"]
    assert app.nearest_words("yelow disc") == ["yellow"]
    app.add_new_item(png("red", "disc", 801), "umbrella")
    assert app.unknown_words("umbrella") == []


def test_a_catalogue_can_be_taken_out(app: LiveApp, tmp_path: Path) -> None:
    indexed(app, tmp_path / "mine", 5)
    app.add_new_item(png("red", "disc", 800), "by hand")
    [name] = [entry.name for entry in app.store.sources.all()]
    for unknown in ("nothing", "added", "", "x" * 5000):
        with pytest.raises(QueryError) as caught:
            app.remove_source(unknown)
        assert len(str(caught.value)) < 200
    assert app.remove_source(name) == 5
    assert app.count() == 1


@pytest.mark.slow
def test_a_model_of_another_preset_is_not_trained_here(app: LiveApp, tmp_path: Path) -> None:
    indexed(app, tmp_path / "mine", 60)
    model = app.generation().model
    model.spec = replace(model.spec, preset="mobilenet-minilm")
    estimate = app.training_estimate()
    assert not estimate.worthwhile
    with pytest.raises(TrainingError, match=r"python cli\.py train --preset mobilenet-minilm"):
        app.tasks.train(ignore_progress)
    assert app.generation().model is model


# Closing


@pytest.mark.slow
def test_closing_stops_the_job_first(app: LiveApp, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, begun = csv_source(tmp_path / "mine", things(300)), threading.Event()
    work = app.tasks.index
    app.jobs.start("index", "x", lambda note, stop: work(str(path), lambda moment: (begun.set(), note(moment))[1], stop))
    begun.wait(LONG_S)
    app.close()
    ended = app.jobs.current()
    assert ended is not None
    assert ended.state == "stopped", ended.message
    assert not caplog.records
    again = make_live_app(tmp_path, app.generations.latest.model)
    so_far = again.count()
    assert again.tasks.index(str(path), ignore_progress) == f"{300 - so_far} pictures indexed, {so_far} unchanged, 0 failed."
    again.close()


def test_a_job_that_does_not_hear_is_not_waited_for_for_ever(
    app: LiveApp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("engine.live._STOPPING_S", 0.01)
    go_on = threading.Event()

    def deaf(note: object, stop: threading.Event) -> str:
        go_on.wait(LONG_S)
        return f"{app.count()} pictures"

    app.jobs.start("index", "Deaf work", deaf)
    app.close()
    assert "Deaf work" in caplog.text
    go_on.set()
    ended = app.jobs.wait(LONG_S)
    assert ended is not None
    assert ended.error is not None
    assert "was closed" in ended.message


def test_a_download_takes_the_place_of_the_demos_preparation(app: LiveApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """As any other job does: nobody waits for the demo's model."""
    begun = threading.Event()

    def preparing(_on_progress: object, stop: threading.Event) -> str:
        begun.set()
        stop.wait(LONG_S)
        check_stop(stop, "Training")
        return "trained"

    app.jobs.start("demo", "Preparing the demo", preparing)
    assert begun.wait(LONG_S)
    monkeypatch.setattr(app.tasks, "use_published", lambda repository, *_, **__: f"{repository} is in use now.")
    app.start_download("nobody/siglip")
    ended = app.jobs.wait(LONG_S)
    assert ended is not None
    assert (ended.name, ended.state, ended.message) == ("download", "done", "nobody/siglip is in use now.")
    assert [job.state for job in app.jobs.history() if job.name == "demo"] == ["stopped"]
