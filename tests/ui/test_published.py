"""The published models on the page Model: what each costs and brings, fetching one, and files that are here already."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from crossmodal.errors import StoreError
from crossmodal.progress import OnProgress, Progress
from tests.ui.fake_app import FakeApp
from tests.ui.test_model_changes import done, keys, question
from tests.ui.test_other_pages import listen_on, words
from ui.components import dialogs, job_bar, published

pytestmark = pytest.mark.slow

Visit = Callable[..., AppTest]
SIGLIP2 = "google/siglip2-base-patch32-256"


def said_in(block: Any) -> list[str]:
    """Title, cost and gain of a model, as they are read."""
    return [str(part.value).replace("\\", "") for part in (*block.markdown, *block.caption)]


def test_each_model_says_licence_size_figure_and_source(visit: Visit) -> None:
    at = visit("model")
    title, costs, brings = said_in(at.get_by_key("published-0"))
    assert "SigLIP 2 base, 32" in title
    assert "Licence Apache-2.0 · download 1,507 MB" in costs
    assert "speed here is measured when it is first used" in costs
    assert "47.2 of 100 texts" in brings
    assert "2502.14786" in brings
    labels = {button.key: button.label for button in at.button}
    assert (labels["get-0"], labels["get-1"], labels["get-2"]) == ("Download and use", "Switch to it", "Resume and use")
    assert "512 MB of 605 MB arrived" in said_in(at.get_by_key("published-2"))[1]


def test_the_licence_comes_before_the_download(visit: Visit, collection: FakeApp) -> None:
    at = visit("model")
    at.button(key="get-0").click().run()
    assert collection.fetched == []
    assert "licence" in words(at)
    assert f"https://huggingface.co/{SIGLIP2}" in words(at)
    state = collection.published[0]
    question(ask=dialogs.download, app=collection, state=state).button(key="download-yes").click().run()
    assert collection.fetched == [(SIGLIP2, None)]
    assert "is in use now" in done(collection)
    at.run()
    assert "get-0" not in keys(at), "it is in use"
    assert "45 pictures/s here" in " ".join(said_in(at.get_by_key("published-0")))


def test_a_running_download_shows_rate_and_time_left_and_blocks_a_second(visit: Visit, collection: FakeApp) -> None:
    go = threading.Event()

    def work(note: OnProgress, stop: threading.Event) -> str:
        note(Progress("download", "Downloading x: 500 MB of 1,507 MB", 500 * 10**6, 1507 * 10**6, 0, False, 8_200_000.0, 123.0))
        go.wait(20)
        return ""

    collection._work = work
    collection.start_download(SIGLIP2)
    while not (status := collection.jobs.current()) or not status.progress.rate_per_s:
        pass
    at = visit("model")
    go.set()
    assert "Fetching a model" in words(at)
    assert job_bar._details(status.progress, paused=False).startswith("Downloading x: 500 MB of 1,507 MB · 8.2 MB/s · about 2 min")
    assert job_bar._details(status.progress, paused=True) == "Downloading x: 500 MB of 1,507 MB"
    assert at.button(key="get-1").disabled


def test_an_unfinished_download_can_be_deleted(visit: Visit, collection: FakeApp) -> None:
    at = visit("model")
    at.button(key="discard-2").click().run()
    assert collection.published[2].arrived_bytes == 0
    assert "discard-2" not in keys(at)


def test_a_folder_that_has_the_files_is_used(
    visit: Visit, collection: FakeApp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    listen_on(monkeypatch, "127.0.0.1")
    at = visit("model")
    at.text_input(key="published-place").set_value(str(tmp_path)).run()
    at.button(key="use-folder").click().run()
    assert collection.fetched == [(SIGLIP2, tmp_path)]


def test_models_that_cannot_be_read_are_one_sentence(visit: Visit, collection: FakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise StoreError("index_missing", "The weights cannot be reached.", remedy="Connect the disk.")

    monkeypatch.setattr(collection, "published_models", fail)
    assert "The weights cannot be reached. Connect the disk." in words(visit("model"))


def test_a_slow_model_says_how_long_the_collection_takes(collection: FakeApp) -> None:
    state = replace(collection.published[0], here=True, pictures_per_s=2.5)
    assert "2.5 pictures/s here · about 2 min for your 300 pictures" in published._costs(state, 300)
