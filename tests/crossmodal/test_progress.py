"""What work tells, and how it is stopped."""

import threading

import pytest

from crossmodal.errors import CrossmodalError
from crossmodal.progress import Progress, Stopped, check_stop, ignore_progress


def test_a_moment_is_frozen_and_modest() -> None:
    moment = Progress("index", "PictureTask")
    assert (moment.done, moment.total, moment.seconds_left, moment.finished, dict(moment.figures)) == (0, 0, None, False, {})
    with pytest.raises(AttributeError):
        moment.done = 3  # type: ignore[misc]
    assert ignore_progress(moment) is None


def test_stop_is_noticed_only_when_asked_for() -> None:
    check_stop(None, "Indexing")
    stop = threading.Event()
    check_stop(stop, "Indexing")
    stop.set()
    with pytest.raises(Stopped, match="Indexing was stopped") as caught:
        check_stop(stop, "Indexing")
    assert isinstance(caught.value, CrossmodalError)
    assert caught.value.code == "stopped"
    assert "kept" in caught.value.remedy
