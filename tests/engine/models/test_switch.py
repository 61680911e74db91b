"""A new model takes over a living collection: nothing is lost, nothing mixes, and one can go back."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app_logic import LostFoundApp
from crossmodal.errors import BusyError, CheckpointError, QueryError
from crossmodal.progress import OnProgress, Progress, Stopped, ignore_progress
from crossmodal.store import ModelSwitched
from engine.live import LiveApp
from engine.models.loading import load_model
from engine.models.spec import ModelSpec
from engine.models.trained import TrainedModel
from tests.app_parts import csv_source, make_live_app, png, things
from tests.tiny import SMALL, small_spec, untrained

LONG_S = 60.0
ITEMS = 30


def saved(path: Path, *, seed: int, spec: ModelSpec = SMALL) -> TrainedModel:
    path.parent.mkdir(exist_ok=True)
    return untrained(spec, seed=seed).save(path)


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveApp]:
    monkeypatch.setattr("engine.models.reembed._ITEMS_AT_ONCE", 8)
    app = make_live_app(tmp_path, saved(tmp_path / "model.pth", seed=1))
    app.tasks.index(str(csv_source(tmp_path / "mine", things(ITEMS))), ignore_progress)
    app.store.meta.set("active_model", app.generation().model.model_id)
    yield app
    app.stop_job()
    app.jobs.wait(LONG_S)
    app.close()


@pytest.fixture
def new(tmp_path: Path) -> TrainedModel:
    """Of another size in every way, so that whatever mixes would fail."""
    return saved(tmp_path / "new" / "new.pth", seed=2, spec=small_spec(embed_dim=24, image_size_px=48))


def switch(app: LiveApp, path: Path) -> str:
    app.start_switch(path)
    ended = app.jobs.wait(LONG_S)
    assert ended is not None
    assert ended.state == "done", ended.message
    return ended.message


def assert_all_found(app: LostFoundApp, model: TrainedModel, n: int) -> None:
    """Every item is found, with its score by this model and no other."""
    generation = app.generation()
    assert generation.model.model_id == generation.index.model_id == generation.texts.model_id == model.model_id
    results = app.search_by_text("red disc", 50)
    assert len(results) == n == app.count()
    query = model.encode_texts(["red disc"])[0]
    for result in results:
        assert result.score == pytest.approx(float(app.store.embeddings.get(result.item.item_id, model.model_id) @ query), abs=1e-5)
    assert app.captions_for_image(png("red", "disc", 1), 50)


def test_there_and_back_again(app: LiveApp, tmp_path: Path, new: TrainedModel) -> None:
    former = app.generation().model
    other = make_live_app(tmp_path, former)
    before = other.search_by_text("red disc", 50)
    assert "in use now" in switch(app, tmp_path / "new" / "new.pth")
    assert load_model(tmp_path / "model.pth").model_id == new.model_id
    for each in (app, other):
        assert_all_found(each, new, ITEMS)
    assert [(entry.model_id, entry.items_embedded, entry.active) for entry in app.models()] == [
        (new.model_id, ITEMS, True),
        (former.model_id, ITEMS, False),
    ]
    kept = app.models()[1].path
    assert kept is not None
    added = app.add_new_item(png("blue", "bar", 900), "added since").item
    switch(app, kept)
    assert_all_found(app, former, ITEMS + 1)
    assert_all_found(other, former, ITEMS + 1)
    other.remove_item(added.item_id)
    assert other.search_by_text("red disc", 50) == before
    assert app.drop_previous_models() == [new.model_id]
    assert [entry.model_id for entry in app.models()] == [former.model_id]
    assert set(app.store.models.counts()) == {former.model_id}
    assert not list((tmp_path / "models").glob(f"{new.model_id}*"))
    assert not list(tmp_path.glob("*.next"))
    other.close()


def test_what_is_added_meanwhile_gets_both_in_one_transaction(app: LiveApp, tmp_path: Path, new: TrainedModel) -> None:
    former, ids = app.generation().model, []
    other = make_live_app(tmp_path, former)

    def add(moment: Progress) -> None:
        if len(ids) < 4 and moment.message.startswith("Encoding"):
            item = app.add_new_item(png("green", "bar", 700 + len(ids)), "added meanwhile").item
            assert app.store.embeddings.get(item.item_id, former.model_id).shape == (SMALL.embed_dim,)
            assert app.store.embeddings.get(item.item_id, new.model_id).shape == (24,)
            outside = other.add_new_item(png("red", "bar", 800 + len(ids)), "added by another process").item
            ids.extend([item.item_id, outside.item_id])
            assert app.generation().model.model_id == former.model_id
            assert {result.item.item_id for result in app.search_by_text("bar", 50)} >= set(ids)

    app.switching.run(app.switching.import_file(tmp_path / "new" / "new.pth"), add)
    assert len(ids) == 4
    assert_all_found(app, new, ITEMS + 4)
    assert_all_found(other, new, ITEMS + 4)
    other.close()


def test_an_item_that_slips_in_at_the_last_moment_is_looked_at_first(
    app: LiveApp, tmp_path: Path, new: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, activate, tries = make_live_app(tmp_path, app.generation().model), app.store.models.activate, []

    def late(model_id: str, *, unreadable: frozenset[int]) -> bool:
        tries.append(model_id)
        if len(tries) < 3:
            other.add_new_item(png("red", "disc", 600 + len(tries)), "late")
        return activate(model_id)

    monkeypatch.setattr(app.store.models, "activate", late)
    switch(app, tmp_path / "new" / "new.pth")
    assert len(tries) == 3
    assert_all_found(app, new, ITEMS + 2)
    other.close()


def test_what_was_encoded_with_the_former_model_is_encoded_again(app: LiveApp, tmp_path: Path, new: TrainedModel) -> None:
    """An addition that began before the switch and commits after it."""
    former = app.generation().model
    other = make_live_app(tmp_path, former)
    picture = other.look_at(png("red", "disc", 500))
    stale, encode = [former], other.encoding.item

    def slow(model: TrainedModel, *rest: object) -> object:
        embedding = encode(model, *rest)  # type: ignore[arg-type]
        if stale:
            stale.pop()
            switch(app, tmp_path / "new" / "new.pth")
        return embedding

    other.encoding.item = slow  # type: ignore[method-assign, assignment]
    item = other.add_picture(picture, "in between").item
    assert set(app.store.models.counts()) == {former.model_id, new.model_id}
    assert item.item_id in {result.item.item_id for result in app.search_by_text("red disc", 50)}
    assert_all_found(other, new, ITEMS + 1)
    other.close()


def test_an_indexing_in_another_process_goes_on_with_the_new_model(app: LiveApp, tmp_path: Path, new: TrainedModel) -> None:
    other = make_live_app(tmp_path, app.generation().model)
    path = csv_source(tmp_path / "more", things(40, seed=3))
    told: list[Progress] = []

    def once(moment: Progress) -> None:
        if not told:
            switch(app, tmp_path / "new" / "new.pth")
        told.append(moment)

    other.tasks.index(str(path), once)
    assert_all_found_in(other, new, ITEMS + 40)
    other.close()


def assert_all_found_in(app: LiveApp, model: TrainedModel, n: int) -> None:
    assert app.generation().model.model_id == model.model_id
    assert app.count() == n == app.store.items.count()


def test_a_stopped_switch_changes_nothing_and_goes_on_later(app: LiveApp, tmp_path: Path, new: TrainedModel) -> None:
    former, before = app.generation().model, (tmp_path / "model.pth").read_bytes()
    results, stop, told = app.search_by_text("red disc", 50), threading.Event(), []

    def stop_soon(moment: Progress) -> None:
        told.append(moment.done)
        stop.set()

    with pytest.raises(Stopped):
        app.switching.run(app.switching.import_file(tmp_path / "new" / "new.pth"), stop_soon, stop)
    assert told == [8]
    assert app.generation().model is former
    assert app.search_by_text("red disc", 50) == results
    assert (tmp_path / "model.pth").read_bytes() == before
    assert app.resume_switch() is None  # a person stopped it
    assert [(entry.items_embedded, entry.active) for entry in app.models()] == [(ITEMS, True), (8, False)]
    told.clear()
    app.switching.run(app.switching.import_file(tmp_path / "new" / "new.pth"), lambda moment: told.append(moment.done))
    assert told[0] == 16
    assert_all_found(app, new, ITEMS)


def test_a_killed_switch_goes_on_at_the_next_start(app: LiveApp, tmp_path: Path, new: TrainedModel) -> None:
    class Killed(BaseException):
        pass

    def kill(moment: Progress) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app.store.meta, "set", lambda key, value: value and type(app.store.meta).set(app.store.meta, key, value))
        with pytest.raises(Killed):
            app.switching.run(app.switching.import_file(tmp_path / "new" / "new.pth"), kill)
    again = make_live_app(tmp_path, load_model(tmp_path / "model.pth"))
    assert again.store.models.counts()[new.model_id] == 8
    begun = again.resume_switch()
    assert begun is not None
    assert begun.name == "switch"
    ended = again.jobs.wait(LONG_S)
    assert ended is not None
    assert ended.state == "done", ended.message
    assert_all_found(again, new, ITEMS)
    assert again.resume_switch() is None
    again.close()


def test_a_switch_can_be_paused(app: LiveApp, tmp_path: Path, new: TrainedModel) -> None:
    app.jobs.start("switch", "x", lambda note, stop: paused_once(app, note, stop, tmp_path))
    while app.jobs.running() and app.jobs.current().state != "paused":  # type: ignore[union-attr]
        app.jobs.wait(0.01)
    assert app.store.models.counts()[new.model_id] == 8
    assert len(app.search_by_text("red disc", 50)) == ITEMS
    with pytest.raises(BusyError):
        app.drop_previous_models()
    with pytest.raises(BusyError):
        app.start_switch(tmp_path / "new" / "new.pth")
    app.resume_job()
    app.jobs.wait(LONG_S)
    assert_all_found(app, new, ITEMS)


def paused_once(app: LiveApp, note: object, stop: threading.Event, folder: Path) -> str:
    told: list[Progress] = []

    def pausing(moment: Progress) -> None:
        if not told:
            app.pause_job()
        told.append(moment)
        note(moment)  # type: ignore[operator]

    return app.switching.run(app.switching.import_file(folder / "new" / "new.pth"), pausing, stop)


def test_what_is_no_model_is_said_at_once(app: LiveApp, tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("no model")
    for path in (tmp_path / "text.pth", tmp_path / "none.pth", tmp_path):
        with pytest.raises(CheckpointError):
            app.start_switch(path)
    with pytest.raises(QueryError, match="already active"):
        app.start_switch(tmp_path / "model.pth")
    assert app.jobs.current() is None
    assert not list((tmp_path / "models").glob(".draft-*"))


def test_a_switch_that_fails_at_the_end_puts_the_file_back(
    app: LiveApp, tmp_path: Path, new: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = app.generation().model
    monkeypatch.setattr(app.store.models, "activate", lambda model_id, unreadable: False)
    monkeypatch.setattr("engine.models.switch._PASSES", 2)
    with pytest.raises(BusyError):
        app.switching.run(app.switching.import_file(tmp_path / "new" / "new.pth"), ignore_progress)
    assert load_model(tmp_path / "model.pth").model_id == former.model_id
    assert app.generation().model is former
    assert app.generations.prepared is None


def test_an_item_removed_during_the_switch_can_be_restored_after_it(app: LiveApp, tmp_path: Path, new: TrainedModel) -> None:
    item = app.page(1)[0]
    app.remove_item(item.item_id)
    switch(app, tmp_path / "new" / "new.pth")
    app.restore_item(item.item_id)
    assert_all_found(app, new, ITEMS)


def test_writing_for_a_former_model_alone_is_refused(app: LiveApp) -> None:
    from benchmarks.made_up import made_up_item

    with pytest.raises(ModelSwitched) as raised:
        app.store.items.add(made_up_item(1), model_id="another")
    assert raised.value.remedy
    assert app.count() == ITEMS


def test_a_hybrid_model_finds_items_by_picture_and_title(app: LiveApp, tmp_path: Path) -> None:
    hybrid = saved(tmp_path / "new" / "hybrid.pth", seed=3, spec=small_spec(item_embedding="hybrid"))
    switch(app, tmp_path / "new" / "hybrid.pth")

    def assert_mean(item_id: int) -> None:
        item = app.item(item_id)
        pixels = app.look_at(app.rendition(item_id)).pixels
        expected = hybrid.encode_items(pixels[None], [item.title])[0]
        assert app.store.embeddings.get(item_id, hybrid.model_id) == pytest.approx(expected, abs=0.05)
        assert app.search_by_item(item_id, 1)

    first = app.page(1)[0].item_id
    assert_mean(first)
    app.update_item(first, title="something else entirely")
    assert_mean(first)
    added = app.add_new_item(png("red", "disc", 901), "blue bar").item.item_id
    assert_mean(added)
    rows = things(ITEMS)
    name = list(rows)[3]
    csv_source(tmp_path / "mine", {**rows, name: ("quite another title", rows[name][1])})
    app.tasks.index(str(tmp_path / "mine" / "things.csv"), ignore_progress)
    [changed] = [item for item in app.page(100) if item.title == "quite another title"]
    assert_mean(changed.item_id)
    assert app.count() == ITEMS + 1
    assert app.captions_for_item(changed.item_id, 5)


def test_going_back_to_a_hybrid_model_finds_a_new_title(app: LiveApp, tmp_path: Path, new: TrainedModel) -> None:
    """Edited while another model was in use; one that reads pictures alone has nothing to make again."""
    spec = small_spec(item_embedding="hybrid")
    hybrid = saved(tmp_path / "new" / "hybrid.pth", seed=3, spec=spec)
    switch(app, tmp_path / "new" / "hybrid.pth")
    switch(app, tmp_path / "new" / "new.pth")
    first = app.page(1)[0].item_id
    app.update_item(first, title="something else entirely")
    assert [item.item_id for item in app.store.embeddings.missing(hybrid.model_id, 9)] == [first]
    assert app.store.embeddings.missing(new.model_id, 9) == []
    assert app.models()[1].items_embedded == ITEMS
    switch(app, tmp_path / "new" / "hybrid.pth")
    pixels = app.look_at(app.rendition(first)).pixels
    expected = hybrid.encode_items(pixels[None], ["something else entirely"])[0]
    assert app.store.embeddings.get(first, hybrid.model_id) == pytest.approx(expected, abs=0.05)


def test_a_process_that_starts_during_a_switch_does_not_undo_it(app: LiveApp, tmp_path: Path, new: TrainedModel) -> None:
    """It loaded the former model, and would tell everybody so once it has looked at the collection."""
    late = make_live_app(tmp_path, app.generation().model)
    switch(app, tmp_path / "new" / "new.pth")
    assert not late.generations.set_initial()
    assert_all_found(late, new, ITEMS)
    assert_all_found(app, new, ITEMS)
    late.close()


def test_a_process_that_starts_with_another_file_is_followed(app: LiveApp, tmp_path: Path, new: TrainedModel) -> None:
    new.save(tmp_path / "model.pth")
    late = make_live_app(tmp_path, new)
    late.tasks.embed_missing(new, ignore_progress)
    assert late.generations.set_initial()
    assert_all_found(late, new, ITEMS)
    assert_all_found(app, new, ITEMS)
    late.close()


class Halfway:
    """Another process's switch, stopped where half of it is done; told to go on, or to stop, by the test."""

    def __init__(self, folder: Path, former: TrainedModel) -> None:
        self.app = make_live_app(folder, former)
        self.reached, self.go_on, self.stop = threading.Event(), threading.Event(), threading.Event()
        self.ended: list[object] = []
        self._path = folder / "new" / "new.pth"
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self.ended.append(self.app.switching.run(self.app.switching.import_file(self._path), self._wait, self.stop))
        except Stopped as stopped:
            self.ended.append(stopped)

    def _wait(self, moment: Progress) -> None:
        self.reached.set()
        self.go_on.wait(LONG_S)

    def __enter__(self) -> "Halfway":
        self._thread.start()
        assert self.reached.wait(LONG_S)
        return self

    def __exit__(self, *error: object) -> None:
        self.go_on.set()
        self._thread.join(LONG_S)
        self.app.close()


def test_another_process_s_half_made_generation_is_left_alone(app: LiveApp, tmp_path: Path, new: TrainedModel) -> None:
    with Halfway(tmp_path, app.generation().model) as other:
        with pytest.raises(BusyError) as raised:
            app.drop_previous_models()
        assert raised.value.remedy
        third = saved(tmp_path / "new" / "third.pth", seed=4)
        with pytest.raises(BusyError):
            app.switching.run(third, ignore_progress)
        with pytest.raises(BusyError):
            app.tasks.put_into_use(third, ignore_progress)
        assert app.store.models.counts()[new.model_id] == 8
    assert "in use now" in str(other.ended[0])
    assert_all_found(app, new, ITEMS)
    assert app.drop_previous_models()


def test_a_starting_process_takes_no_living_switch_for_a_killed_one(app: LiveApp, tmp_path: Path, new: TrainedModel) -> None:
    former = app.generation().model
    with Halfway(tmp_path, former) as other:
        assert app.switching.unfinished() is None
        assert app.resume_switch() is None
        other.stop.set()
    assert isinstance(other.ended[0], Stopped)
    assert app.resume_switch() is None  # its owner stopped it
    assert_all_found(app, former, ITEMS)


def test_a_switch_that_ends_with_its_program_goes_on_at_the_next_start(app: LiveApp, tmp_path: Path, new: TrainedModel) -> None:
    other, begun = make_live_app(tmp_path, app.generation().model), threading.Event()
    model = other.switching.import_file(tmp_path / "new" / "new.pth")

    def work(note: OnProgress, stop: threading.Event) -> str:
        return other.switching.run(model, lambda moment: (begun.set(), stop.wait(LONG_S), note(moment))[2], stop)

    other.jobs.start("switch", "x", work)
    assert begun.wait(LONG_S)
    other.close()
    assert app.generation().model.model_id != new.model_id
    assert app.resume_switch() is not None
    app.jobs.wait(LONG_S)
    assert_all_found(app, new, ITEMS)


def test_what_was_dropped_is_not_gone_on_with(app: LiveApp, tmp_path: Path, new: TrainedModel) -> None:
    app.switching.import_file(tmp_path / "new" / "new.pth")
    app.store.meta.set("next_model", new.model_id)  # as a kill leaves it
    assert app.switching.unfinished() is not None
    assert app.drop_previous_models() == [new.model_id]
    assert app.resume_switch() is None
    assert app.store.meta.get("next_model") == ""


def test_a_model_that_was_dropped_before_its_switch_began_is_kept_again(app: LiveApp, tmp_path: Path, new: TrainedModel) -> None:
    model = app.switching.import_file(tmp_path / "new" / "new.pth")
    assert app.drop_previous_models() == [new.model_id]
    app.switching.run(model, ignore_progress)
    assert_all_found(app, new, ITEMS)
