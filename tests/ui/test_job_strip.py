"""The strip of the work in the background: pausing, going on, stopping."""

import threading
from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from crossmodal.progress import OnProgress, Progress, check_stop
from tests.ui.fake_app import FakeApp
from tests.ui.test_other_pages import words

Visit = Callable[..., AppTest]


def keys(at: AppTest) -> set[str]:
    return {str(button.key) for button in at.button}


def test_a_job_pauses_goes_on_and_ends(visit: Visit, collection: FakeApp) -> None:
    counted: list[int] = []
    go = threading.Event()

    def work(note: OnProgress, stop: threading.Event) -> str:
        for done in range(1, 4):
            go.wait(20)
            check_stop(stop, "The job")
            note(Progress("index", "Looking at every picture", done=done, total=3, rate_per_s=5.0, seconds_left=30.0))
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
    assert "paused; what was done so far is kept" in words(at)
    assert "pause-job" not in keys(at)
    assert at.button(key="rebuild").disabled, "a paused job is still under way"
    assert not counted
    at.button(key="resume-job").click().run()
    ended = collection.jobs.wait(10)
    assert ended is not None
    assert ended.message == "Looked at all."
    assert counted == [1, 2, 3]


def test_a_paused_job_can_be_stopped_and_tells_no_time_left(visit: Visit, collection: FakeApp) -> None:
    told = threading.Event()

    def work(note: OnProgress, stop: threading.Event) -> str:
        for done in range(1, 1_000):
            check_stop(stop, "The job")
            note(Progress("index", "Looking at every picture", done=done, total=1_000, rate_per_s=5.0, seconds_left=30.0))
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
