import threading
import time

import pytest

from crossmodal.images.watchdog import Watchdog


@pytest.fixture
def watchdog() -> Watchdog:
    return Watchdog()


def test_what_is_late_is_called_once_and_what_is_done_is_not(watchdog: Watchdog) -> None:
    late, done = threading.Event(), threading.Event()
    calls: list[str] = []
    with watchdog.watch(lambda: (calls.append("late"), late.set()), seconds=0.05):  # type: ignore[arg-type]
        with watchdog.watch(lambda: (calls.append("done"), done.set()), seconds=0.1):  # type: ignore[arg-type]
            pass
        assert late.wait(5)
        time.sleep(0.15)
    assert calls == ["late"]
    watchdog.close()


def test_an_earlier_end_wakes_it_from_a_long_sleep(watchdog: Watchdog) -> None:
    late = threading.Event()
    with watchdog.watch(lambda: None, seconds=60):
        time.sleep(0.05)  # it sleeps until then
        with watchdog.watch(late.set, seconds=0.05):
            assert late.wait(5)
    watchdog.close()


def test_work_after_a_pause_is_watched_too(watchdog: Watchdog) -> None:
    for _ in range(3):
        late = threading.Event()
        with watchdog.watch(late.set, seconds=0.02):
            assert late.wait(5)
        time.sleep(0.03)
    watchdog.close()


def test_closing_ends_its_thread(watchdog: Watchdog) -> None:
    with watchdog.watch(lambda: None, seconds=60):
        pass
    before = [thread for thread in threading.enumerate() if thread.name == "watchdog"]
    watchdog.close()
    for thread in before:
        thread.join(5)
    assert not any(thread.is_alive() for thread in before)
    assert before
