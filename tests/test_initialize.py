"""Assembling the app: what is missing is made, what is there is used, what is damaged is set aside, and every step is told."""

import errno
import io
import logging
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import initialize
from config import Settings
from crossmodal.backbones.everyday import is_installed
from crossmodal.errors import CrossmodalError, QueryError, SourceError, StoreError
from crossmodal.progress import Progress, ignore_progress
from engine import tasks
from engine.live import LiveApp
from engine.models.trained import TrainedModel
from initialize import build_system, initialize_system, is_demo, open_named
from tests.app_parts import csv_source, png, things

LONG_S = 120.0


def settings(folder: Path, **changes: object) -> Settings:
    """As small as an installation can be."""
    values = {
        "data_dir": folder / "data",
        "dataset_dir": folder / "dataset",
        "model_path": folder / "trained_model.pth",
        "demo_items": 100,
        "embed_dim": 32,
        "vocab_size": 512,
        "image_px": 32,
        "max_epochs": 2,
        "batch_size": 32,
        "download_weights": False,
        "decode_workers": 1,
    }
    return Settings(**{**values, **changes})


def steps_of(told: list[Progress]) -> list[str]:
    """Steps in the order they began."""
    return list(dict.fromkeys(moment.step for moment in told))


@pytest.fixture(scope="module")
def first_start(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Progress], list[str]]:
    """A first start, closed again: its folder, what it told, and the titles it found."""
    folder = tmp_path_factory.mktemp("installation")
    told: list[Progress] = []
    app = build_system(settings(folder), told.append)
    found = [result.item.title for result in app.search_by_text("red mug", 20)]
    app.close()
    return folder, told, found


@pytest.fixture
def installation(first_start: tuple[Path, list[Progress], list[str]], tmp_path: Path) -> Path:
    """A copy of what the first start left."""
    return Path(shutil.copytree(first_start[0], tmp_path / "installation"))


@pytest.fixture
def started() -> Iterator[list[LiveApp]]:
    """Apps to be closed at the end."""
    apps: list[LiveApp] = []
    yield apps
    for app in apps:
        app.stop_job()
        app.jobs.wait(LONG_S)
        app.close()


def start(apps: list[LiveApp], folder: Path, told: list[Progress] | None = None, **changes: object) -> LiveApp:
    app = build_system(settings(folder, **changes), ignore_progress if told is None else told.append)
    apps.append(app)
    return app


@pytest.mark.slow
def test_the_first_start_makes_everything(first_start: tuple[Path, list[Progress], list[str]]) -> None:
    folder, told, found = first_start
    assert steps_of(told) == ["catalogue", "model", "index"]
    ends = [moment.message for moment in told if moment.finished]
    assert any(message.startswith("Catalogue: 100 demo pictures") for message in ends)
    assert any(message.startswith("Model: trained here in") and "random weights" in message for message in ends)
    assert ends[-1] == "Index: 100 pictures"
    assert told[-1].finished
    epochs = [moment.figures for moment in told if "epoch" in moment.figures]
    assert [figures["epoch"] for figures in epochs] == [1, 2]
    assert is_demo(folder / "dataset" / "amazon_products.csv")
    assert {path.name for path in folder.iterdir()} == {"data", "dataset", "trained_model.pth", ".trained_model.pth.lock"}
    assert (folder / "data" / "image_features.pt").exists()
    assert len(found) == 20


def test_the_held_out_combinations_are_measured(installation: Path, started: list[LiveApp]) -> None:
    card = start(started, installation).generation().model.card
    assert card.held_out is not None
    assert card.trained_on + card.held_out.gallery == 100
    assert 10 <= card.held_out.gallery <= 20  # every 7th combination
    assert (card.catalogue, card.weights) == ("demo", "random weights")
    assert "switched off" in card.weights_note


def test_the_second_start_uses_what_is_there(
    first_start: tuple[Path, list[Progress], list[str]], installation: Path, started: list[LiveApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    for made in ("fit_model", "write_demo_catalogue", "find_weights"):
        monkeypatch.setattr(initialize, made, lambda *args, made=made, **kwargs: pytest.fail(f"{made} was called again"))
    told: list[Progress] = []
    app = start(started, installation, told)
    assert steps_of(told) == ["catalogue", "model", "index"]
    assert [moment.message for moment in told if moment.step == "model"] == ["Model: loaded, random weights"]
    assert [result.item.title for result in app.search_by_text("red mug", 20)] == first_start[2]
    assert app.count() == 100


def test_the_first_model_is_trained_on_the_device_of_the_settings(installation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    (installation / "trained_model.pth").unlink()
    with pytest.raises(QueryError, match="device cuda is not available"):
        build_system(settings(installation, device="cuda"))
    assert not (installation / "trained_model.pth").exists()


@pytest.mark.slow
@pytest.mark.parametrize("damage", [b"", b"<!doctype html>404", None], ids=["empty", "page", "cut"])
def test_a_damaged_model_is_kept_aside_and_made_anew(installation: Path, started: list[LiveApp], damage: bytes | None) -> None:
    path = installation / "trained_model.pth"
    content = path.read_bytes()[:100_000] if damage is None else damage
    path.write_bytes(content)
    told: list[Progress] = []
    app = start(started, installation, told, max_epochs=1)
    [aside] = installation.glob("trained_model.refused-*")
    assert aside.read_bytes() == content
    assert any(aside.name in moment.message for moment in told)
    assert app.count() == 100
    assert app.generation().model.model_id in app.store.models.counts()
    assert len(app.search_by_text("red mug", 20)) == 20


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "trained_model.pth cannot be reached: Too many open files."),
        (MemoryError(), "There is too little memory to load the model trained_model.pth."),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory"),
            "There is too little memory to load the model trained_model.pth.",
        ),
    ],
    ids=["files", "memory", "memory-of-torch"],
)
def test_a_model_that_cannot_be_read_for_the_moment_is_kept(
    installation: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
) -> None:
    """Nothing is proven against it, so it is neither set aside nor replaced."""
    before = {path.name: path.read_bytes() for path in installation.glob("trained_model*")}
    monkeypatch.setattr(initialize, "fit_model", lambda *_args, **_kwargs: pytest.fail("a new model was trained"))

    def unread(self: io.FileIO, _buffer: object) -> int:
        if isinstance(error, OSError):
            self.failure = error
        raise error

    monkeypatch.setattr("crossmodal.training.checkpoints._WatchedFile.readinto", unread)
    with pytest.raises(CrossmodalError) as caught:
        build_system(settings(installation))
    assert str(caught.value).endswith(sentence)
    assert caught.value.remedy
    assert caught.value.code != "checkpoint_invalid"
    assert {path.name: path.read_bytes() for path in installation.glob("trained_model*")} == before


@pytest.mark.slow
def test_a_lost_index_is_built_anew_and_a_lost_collection_too(installation: Path, started: list[LiveApp]) -> None:
    (installation / "data" / "image_features.pt").unlink()
    app = start(started, installation)
    assert app.count() == 100
    app.close()
    started.clear()
    shutil.rmtree(installation / "data")
    assert start(started, installation).count() == 100


def test_ones_own_catalogue_is_indexed_in_the_background(installation: Path, started: list[LiveApp], tmp_path: Path) -> None:
    path = csv_source(tmp_path / "mine", things(12))
    app = start(started, installation, catalogue=str(path))
    assert app.jobs.current() is not None
    ended = app.jobs.wait(LONG_S)
    assert ended is not None
    assert ended.state == "done", ended.message
    assert app.count() == 12  # the demo made room


@pytest.mark.slow
def test_the_demo_does_not_come_back_after_it_made_room(installation: Path, started: list[LiveApp], tmp_path: Path) -> None:
    app = start(started, installation)
    app.start_indexing(str(csv_source(tmp_path / "mine", things(12))))
    app.jobs.wait(LONG_S)
    assert app.count() == 12
    app.close()
    started.clear()
    assert start(started, installation).count() == 12


@pytest.mark.slow
def test_ones_own_file_in_the_place_of_the_demo(started: list[LiveApp], tmp_path: Path) -> None:
    """The model is then learned from a demo drawn elsewhere, and nothing of it is in the collection."""
    path = csv_source(tmp_path / "dataset", things(12))
    path.rename(path.with_name("amazon_products.csv"))
    before = (tmp_path / "dataset" / "amazon_products.csv").read_bytes()
    app = start(started, tmp_path, max_epochs=1)
    ended = app.jobs.wait(LONG_S)
    assert ended is not None
    assert ended.state == "done", ended.message
    assert app.count() == 12
    assert (tmp_path / "dataset" / "amazon_products.csv").read_bytes() == before
    assert app.generation().model.card.catalogue == "demo"


@pytest.mark.slow
def test_what_was_added_is_there_after_a_restart(installation: Path, started: list[LiveApp]) -> None:
    app = start(started, installation)
    item = app.add_new_item(png("red", "disc", 5), "my own disc").item
    app.close()
    started.clear()
    again = start(started, installation)
    assert again.item(item.item_id) == item
    assert again.search_by_image(png("red", "disc", 5), 1)[0].item == item


@pytest.mark.slow
def test_a_new_model_after_a_trained_one_was_deleted_is_not_read_again_and_again(
    installation: Path, started: list[LiveApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The collection remembers which model was switched to; a model made at the start takes that place."""
    app = start(started, installation)
    app.switch_to(app.generation().model)
    app.close()
    started.clear()
    (installation / "trained_model.pth").unlink()
    again = start(started, installation, max_epochs=1, seed=7)
    reads = []
    load_model = initialize.load_model
    monkeypatch.setattr("engine.models.generations.load_model", lambda path: (reads.append(path), load_model(path))[1])
    for seed in (1, 2, 3):
        again.add_new_item(png("red", "disc", seed))
        again.search_by_text("red disc")
    assert len(reads) <= 1


def test_every_step_that_ends_is_a_line_of_the_log(
    installation: Path, started: list[LiveApp], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "initialize"):
        start(started, installation)
    lines = [record.getMessage() for record in caplog.records if record.name == "initialize"]
    assert [line.partition(":")[0] for line in lines] == ["Catalogue", "Model", "Index"]


def test_a_collection_that_cannot_be_opened_is_one_sentence(installation: Path) -> None:
    (installation / "data" / "catalog.sqlite3").write_bytes(b"this is no database" * 100)
    with pytest.raises(CrossmodalError) as caught:
        build_system(settings(installation))
    assert caught.value.remedy
    assert (installation / "data" / "catalog.sqlite3").read_bytes().startswith(b"this is no database")


def test_the_cached_initializer_builds_once(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Settings] = []
    monkeypatch.setattr(
        initialize, "build_system", lambda settings, progress, *, at_once: (at_once and built.append(settings)) or built
    )
    first, again = initialize_system(), initialize_system()
    assert first is again
    assert len(built) == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_change_of_the_model_that_a_kill_ended_goes_on_beside_ones_own_catalogue(
    installation: Path, started: list[LiveApp], tmp_path: Path, kind: str
) -> None:
    """A folder is never known to be unchanged: each start reads it again, and goes on with the model after that."""
    path = csv_source(tmp_path / "mine", things(12))
    location = path
    if kind == "folder":
        path.unlink()
        location = path.parent
    app = start(started, installation, catalogue=str(location))
    app.jobs.wait(LONG_S)
    model = app.generation().model
    new = TrainedModel(model.system, model.spec, replace(model.card, weights_note="another"), model_id="")
    new.save(tmp_path / "new.pth")
    app.switching.import_file(tmp_path / "new.pth")
    app.store.meta.set("next_model", new.model_id)  # as a kill leaves it
    app.close()
    started.clear()
    again = start(started, installation, catalogue=str(location))
    ended = again.jobs.wait(LONG_S)
    assert ended is not None
    assert ended.state == "done", ended.message
    assert "in use now" in ended.message
    assert again.generation().model.model_id == new.model_id
    assert again.count() == 12


@pytest.mark.slow
def test_two_first_starts_make_one_model(tmp_path: Path, started: list[LiveApp], monkeypatch: pytest.MonkeyPatch) -> None:
    made, waiting, fit_model = [], threading.Event(), initialize.fit_model

    def slow(*args: object, **kwargs: object) -> TrainedModel:
        made.append(1)
        if len(made) == 1:
            second.start()
            waiting.wait(LONG_S)
        return fit_model(*args, **kwargs)  # type: ignore[arg-type]

    def tell(moment: Progress) -> None:
        if "Another process" in moment.message:
            waiting.set()

    monkeypatch.setattr(initialize, "fit_model", slow)
    others: list[LiveApp] = []
    second = threading.Thread(target=lambda: others.append(build_system(settings(tmp_path, max_epochs=1), tell)))
    first = start(started, tmp_path, max_epochs=1)
    second.join(LONG_S)
    started += others
    assert made == [1]
    [other] = others
    assert other.generation().model.model_id == first.generation().model.model_id
    item = other.add_new_item(png("red", "disc", 5), "my own disc").item
    assert first.item(item.item_id) == item
    assert [path.name for path in tmp_path.glob(".*")] == [".trained_model.pth.lock"]


def test_a_start_that_fails_closes_what_it_opened(installation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    def fail(app: LiveApp, *rest: object, at_once: bool) -> None:
        opened.append(app)
        raise KeyboardInterrupt

    monkeypatch.setattr(initialize, "fill_index", fail)
    with pytest.raises(KeyboardInterrupt):
        build_system(settings(installation))
    with pytest.raises(CrossmodalError, match="was closed"):
        opened[0].count()


def test_a_folder_that_cannot_be_is_said_before_anything_is_drawn_or_trained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    settings = Settings(
        data_dir=tmp_path / "file" / "data",
        dataset_dir=tmp_path / "dataset",
        model_path=tmp_path / "model.pth",
        download_weights=False,
    )
    with pytest.raises(StoreError):
        build_system(settings)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.slow
def test_a_demo_that_was_removed_stays_away(installation: Path, started: list[LiveApp]) -> None:
    app = start(started, installation)
    assert app.count()
    app.remove_source("demo")
    app.close()
    assert start(started, installation).count() == 0


@pytest.mark.parametrize("location", ["~nosuchuser/pictures", "\0", "x" * 5000])
def test_a_location_that_is_no_path_is_one_clear_error(tmp_path: Path, location: str) -> None:
    with pytest.raises(SourceError) as caught:
        open_named(location, settings(tmp_path))
    assert caught.value.code == "file_missing"


@pytest.mark.slow
@pytest.mark.skipif(not is_installed(), reason="needs the packages of requirements-weights.txt")
def test_the_built_in_model_serves_at_once_and_a_better_one_takes_over(
    tmp_path: Path, started: list[LiveApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's first start: nothing is trained before it answers. Then the demo's model is trained and compared."""
    monkeypatch.setattr(tasks, "evaluate_held_out", lambda _system, _pictures: None)  # one epoch would not be better
    chosen = settings(tmp_path, first_model="everyday", max_epochs=1)
    app = build_system(chosen, at_once=True)
    started.append(app)
    assert app.generation().model.spec.preset == "everyday"
    assert app.jobs.current() is not None
    ended = app.jobs.wait(LONG_S)
    assert ended is not None
    assert (ended.name, ended.state) == ("demo", "done"), ended.message
    assert app.count() == 100
    assert app.store.meta.get("the demo's model was trained") == "yes"
    assert not app.tasks.wants_demo_model()
    assert app.generation().model.spec.preset == "resnet18-gru"
    assert [entry.name for entry in app.models()] == ["ResNet18 + GRU", "Everyday words"]


@pytest.mark.slow
@pytest.mark.skipif(not is_installed(), reason="needs the packages of requirements-weights.txt")
def test_ones_own_pictures_leave_the_demos_model_and_need_not_wait(installation: Path, started: list[LiveApp]) -> None:
    """The demo's model knows nothing else; and the demo's preparation makes room."""
    app = build_system(settings(installation, first_model="everyday"), at_once=True)
    started.append(app)
    assert app.generation().model.card.catalogue == "demo"
    app.start_demo(str(installation / "dataset" / "amazon_products.csv"))
    app.start_indexing(str(csv_source(installation / "own", things(6))))
    ended = app.jobs.wait(LONG_S)
    assert ended is not None
    assert (ended.name, ended.state) == ("index", "done"), ended.message
    assert app.generation().model.spec.preset == "everyday"
    assert app.count() == 6


def test_a_script_waits_for_the_trained_model(installation: Path, started: list[LiveApp]) -> None:
    """`build_system(settings)` is as documented, whatever the first model of the page."""
    (installation / "trained_model.pth").unlink()
    app = build_system(settings(installation, first_model="everyday"))
    started.append(app)
    assert app.generation().model.spec.preset == "resnet18-gru"
