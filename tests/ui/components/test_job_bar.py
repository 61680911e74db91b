"""The strip of the work in the background: pausing, going on, stopping."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from crossmodal.progress import OnProgress, Progress, check_stop
from tests.ui.fake_app import FakeApp
from tests.ui.test_other_pages import words

Visit = Callable[..., AppTest]


def way_to(block: Any, key: str) -> list[int]:
    """Where in a block something stands: the place of the block it is in, its place in that, and so on; empty when it is not there."""
    for number, child in getattr(block, "children", {}).items():
        if getattr(child, "key", None) == key:
            return [number]
        if way := way_to(child, key):
            return [number, *way]
    return []


def test_a_job_pauses_goes_on_and_ends(visit: Visit, collection: FakeApp) -> None:
    counted: list[int] = []
    go = threading.Event()

    def work(note: OnProgress, stop: threading.Event) -> str:
        for done in range(1, 4):
            go.wait(20)
            check_stop(stop, "The job")
            note(Progress("index", "Encoding every picture", done=done, total=3, rate_per_s=5.0, seconds_left=30.0))
            counted.append(done)
        return "Looked at all."

    collection._work = work
    collection.start_retry()
    at = visit()
    at.button(key="pause-job").click().run()
    go.set()
    status = collection.jobs.current()
    assert status is not None
    assert status.state == "paused"
    assert "paused; completed work is kept" in words(at)
    assert at.button(key="pause-job").label == "Go on", "the same button, so that the keyboard stays on it"
    assert at.button(key="rebuild").disabled, "a paused job is still under way"
    assert not counted
    at.button(key="pause-job").click().run()
    ended = collection.jobs.wait(10)
    assert ended is not None
    assert ended.message == "Looked at all."
    assert counted == [1, 2, 3]


def test_a_paused_job_can_be_stopped_and_tells_no_time_left(visit: Visit, collection: FakeApp) -> None:
    told = threading.Event()

    def work(note: OnProgress, stop: threading.Event) -> str:
        for done in range(1, 1_000):
            check_stop(stop, "The job")
            note(Progress("index", "Encoding every picture", done=done, total=1_000, rate_per_s=5.0, seconds_left=30.0))
            told.set()
            stop.wait(0.01)
        return "late"

    collection._work = work
    collection.start_retry()
    assert told.wait(10)
    collection.pause_job()
    at = visit()
    text = next(bar.text for bar in at.progress if "of 1,000" in bar.text.replace("\\", ""))
    assert "left" not in text
    at.button(key="stop-job").click().run()
    ended = collection.jobs.wait(10)
    assert ended is not None
    assert ended.state == "stopped"


@pytest.mark.slow
@pytest.mark.parametrize(("place", "box"), [("", "words"), ("collection", "catalogue-location"), ("model", "model-location")])
def test_what_is_being_typed_keeps_its_place_when_a_job_comes_and_goes(
    visit: Visit, collection: FakeApp, place: str, box: str
) -> None:
    """A browser draws a box anew, and empty, when something appears or disappears before it."""
    go = threading.Event()
    collection._work = lambda note, stop: "Done." if go.wait(20) else "late"
    at = visit(place)
    if place == "collection":
        at.segmented_control(key="part").set_value("Catalogues").run()
    box = f"{box}-{at.session_state['turn']}" if box == "words" else box
    before = way_to(at.main, box)
    assert before
    collection.start_retry()
    at.run()
    assert at.get_by_key("job")
    assert way_to(at.main, box) == before
    go.set()
    collection.jobs.wait(10)
    at.run()
    assert way_to(at.main, box) == before
    at.button(key="close-job").click().run()
    assert way_to(at.main, box) == before
