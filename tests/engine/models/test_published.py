"""Published models in a living collection: fetched from a hub on this computer, switched to while people search, and kept once."""

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from crossmodal.errors import BusyError, CrossmodalError, QueryError, StoreError, WeightsError
from crossmodal.hub.download import arrived_bytes, download
from crossmodal.hub.published import PUBLISHED, published
from crossmodal.images.decoder import Decoder
from crossmodal.jobs import JobStatus
from crossmodal.progress import ignore_progress
from doctor.finding import Installation, Subject
from doctor.model import check_model
from engine.live import LiveApp
from engine.models.loading import load_model
from engine.models.published import build_published, measure_speed, repository_named
from tests.app_parts import InProcess, csv_source, make_live_app, things
from tests.crossmodal.backbones.hub_models import save_clip, save_siglip2
from tests.crossmodal.hub.loopback import Hub, point_client_at, serving
from tests.tiny import SMALL, untrained

pytestmark = pytest.mark.slow  # loading transformers takes some seconds

SIGLIP2, CLIP = "google/siglip2-base-patch32-256", "openai/clip-vit-base-patch32"
SAVE: dict[str, Callable[[Path], Any]] = {SIGLIP2: save_siglip2, CLIP: lambda folder: save_clip(folder, layout="bin")}
ITEMS = 24
LONG_S = 60.0


@pytest.fixture
def app(tmp_path: Path) -> Iterator[LiveApp]:
    app = make_live_app(tmp_path, untrained(SMALL, seed=1).save(tmp_path / "model.pth"))
    app.tasks.index(str(csv_source(tmp_path / "mine", things(ITEMS))), ignore_progress)
    app.store.meta.set("active_model", app.generation().model.model_id)
    yield app
    app.stop_job()
    app.jobs.wait(LONG_S)
    app.close()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    (tmp_path / "served").mkdir()
    with serving(tmp_path / "served") as running:
        point_client_at(running.url, monkeypatch)
        yield running


def ended(app: LiveApp) -> JobStatus:
    status = app.jobs.wait(LONG_S)
    assert status is not None
    return status


def in_use(app: LiveApp) -> list[str]:
    return [state.model.repository for state in app.published_models() if state.in_use]


@pytest.mark.parametrize("repository", [SIGLIP2, CLIP])
def test_one_click_fetches_and_switches_while_four_people_search(app: LiveApp, hub: Hub, tmp_path: Path, repository: str) -> None:
    SAVE[repository](hub.folder)
    failed, searches, over = list[BaseException](), list[int](), threading.Event()

    def search() -> None:
        while not over.is_set():
            try:
                searches.append(len(app.search_by_text("red disc", ITEMS)))
            except BaseException as error:  # noqa: BLE001 - counted
                failed.append(error)

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    app.start_download(repository)
    status = ended(app)
    over.set()
    for thread in threads:
        thread.join()
    assert status.state == "done", status.message
    assert failed == []
    assert set(searches) == {ITEMS}
    assert in_use(app) == [repository]
    assert published(repository).title in status.message
    assert app.generation().model.spec.item_embedding == "image"
    state = next(state for state in app.published_models() if state.in_use)
    assert state.here
    assert state.pictures_per_s is not None
    # The weights lie in one place; what names them is small, and a new process finds the same model.
    copies = [path for path in tmp_path.rglob("*") if path.suffix in (".safetensors", ".bin") and "served" not in path.parts]
    assert [path.parent for path in copies] == [tmp_path / "weights" / repository.rpartition("/")[2]]
    assert all(path.stat().st_size < 40_000 for path in tmp_path.rglob("*.pth") if path.stem == app.generation().model.model_id)
    again = load_model(tmp_path / "model.pth")
    assert again.model_id == app.generation().model.model_id
    assert np.array_equal(again.encode_texts(["a red mug"]), app.generation().model.encode_texts(["a red mug"]))


def test_the_same_files_are_the_same_model(tmp_path: Path) -> None:
    home = tmp_path / "weights"
    save_siglip2(home / "siglip2-base-patch32-256")
    first = build_published(SIGLIP2, home).save(tmp_path / "a.pth")
    second = build_published(SIGLIP2, home).save(tmp_path / "b.pth")
    assert first.model_id == second.model_id
    assert (tmp_path / "a.pth").stat().st_size < 20_000
    assert load_model(tmp_path / "a.pth").model_id == first.model_id


def test_files_of_another_folder_are_used_where_they_are(app: LiveApp, tmp_path: Path) -> None:
    save_clip(tmp_path / "usb stick" / "clip")
    app.start_download(CLIP, folder=tmp_path / "usb stick" / "clip")
    assert ended(app).state == "done", ended(app).message
    assert in_use(app) == [CLIP]
    assert sorted(path.name for path in (tmp_path / "weights").iterdir() if path.suffix == ".json") == [
        "clip-vit-base-patch32.json"
    ]
    assert not (tmp_path / "weights" / "clip-vit-base-patch32").exists()


def test_other_files_of_the_same_name_leave_a_model_its_own(tmp_path: Path) -> None:
    home = tmp_path / "weights"
    save_clip(home / "clip-vit-base-patch32")
    first = build_published(CLIP, home).save(tmp_path / "a.pth")
    save_clip(tmp_path / "other", layout="bin")
    second = build_published(CLIP, home, folder=tmp_path / "other").save(tmp_path / "b.pth")
    assert first.model_id != second.model_id
    assert load_model(tmp_path / "a.pth").model_id == first.model_id
    assert load_model(tmp_path / "b.pth").model_id == second.model_id


def _flip(folder: Path) -> None:
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "model.safetensors").write_bytes(content)


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "gone": (shutil.rmtree, "missing"),
    "one bit": (_flip, "was changed"),
    "another tokenizer": (lambda folder: (folder / "tokenizer.json").write_text("{}"), "was changed"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_model_whose_files_changed_is_refused_and_stays(tmp_path: Path, broken: str) -> None:
    """Not as a damaged model, which would be put aside and replaced: the files may come back."""
    home, file = tmp_path / "weights", tmp_path / "model.pth"
    save_siglip2(home / "siglip2-base-patch32-256")
    build_published(SIGLIP2, home).save(file)
    change, said = BROKEN[broken]
    change(home / "siglip2-base-patch32-256")
    with pytest.raises(StoreError, match=said) as caught:
        load_model(file)
    assert f"models get {SIGLIP2}" in caught.value.remedy
    assert file.exists()
    place = Installation(tmp_path, tmp_path, tmp_path / "catalog.sqlite3", tmp_path / "image_features.pt", file)
    [finding] = check_model(Subject(place, cast(Decoder, InProcess())))
    assert (finding.code, finding.cure) == ("weights_missing", f"python cli.py models get {SIGLIP2}")


def test_without_a_route_the_job_says_what_to_put_where(app: LiveApp, monkeypatch: pytest.MonkeyPatch) -> None:
    point_client_at("http://127.0.0.1:1", monkeypatch)
    app.start_download("siglip2-base-patch32-256")
    status = ended(app)
    assert status.state == "failed"
    assert "cannot be reached" in status.message
    assert "weights/siglip2-base-patch32-256" in status.message
    assert len(app.search_by_text("red disc", ITEMS)) == ITEMS


def test_a_stopped_download_is_kept_and_can_be_deleted(app: LiveApp, hub: Hub) -> None:
    save_siglip2(hub.folder)
    hub.silent_after = 50_000
    app.start_download(SIGLIP2)
    while not arrived_bytes(SIGLIP2, app.tasks.weights_dir) > 50_000:
        assert app.jobs.running()
    with pytest.raises(BusyError):
        app.discard_download(SIGLIP2)
    app.stop_job()
    assert ended(app).state == "stopped"
    assert next(state for state in app.published_models() if state.model.repository == SIGLIP2).arrived_bytes > 50_000
    app.discard_download(SIGLIP2)
    assert not any(state.arrived_bytes for state in app.published_models())


def test_the_best_of_a_few_batches_counts(app: LiveApp) -> None:
    times = iter([0.0, 4.0, 10.0, 12.0, 20.0, 23.0])
    rate = measure_speed(app.generation().model, app.store, SIGLIP2, clock=lambda: next(times))
    assert rate == 4.0
    assert next(state for state in app.published_models() if state.model.repository == SIGLIP2).pictures_per_s == 4.0


def test_names(tmp_path: Path) -> None:
    assert repository_named("siglip2-base-patch16-256") == "google/siglip2-base-patch16-256"
    assert repository_named("clip:laion/another") == "laion/another"
    for wrong in ("nothing", "../evil", "a/../b", "clip:", ""):
        with pytest.raises(QueryError):
            repository_named(wrong)
    assert len({model.repository.rpartition("/")[2] for model in PUBLISHED}) == len(PUBLISHED)
    with pytest.raises(WeightsError):
        build_published(SIGLIP2, tmp_path)


def test_a_download_is_one_for_all_doors(hub: Hub, tmp_path: Path) -> None:
    """What the shell fetched is only loaded by the page."""
    save_clip(hub.folder)
    record = download(CLIP, tmp_path / "weights", on_progress=ignore_progress)
    hub.asked.clear()
    try:
        assert build_published(CLIP, tmp_path / "weights").spec.embed_dim == 24
    except CrossmodalError as error:
        pytest.fail(error.sentence)
    assert hub.asked == []
    assert record.folder == tmp_path / "weights" / "clip-vit-base-patch32"
