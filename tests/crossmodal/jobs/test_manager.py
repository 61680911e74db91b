"""One job at a time, watched by many, stopped by any."""

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from crossmodal.errors import BusyError, QueryError, TrainingError
from crossmodal.jobs import JobManager, JobStatus, JobStore
from crossmodal.progress import OnProgress, Progress, check_stop

LONG_S = 10.0


@pytest.fixture
def board(tmp_path: Path) -> JobManager:
    return JobManager(JobStore(tmp_path / "jobs.sqlite3"))


class Gate:
    """Work that reports what it is told to and ends when it is let go."""

    def __init__(self, *moments: Progress) -> None:
        self.moments = moments
        self.told, self.open = threading.Event(), threading.Event()

    def __call__(self, note: OnProgress, stop: threading.Event) -> str:
        for moment in self.moments:
            note(moment)
        self.told.set()
        while not self.open.wait(0.01):
            check_stop(stop, "The work")
        return "All done."


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open.set()


def ended(board: JobManager) -> JobStatus:
    status = board.wait(LONG_S)
    assert status is not None
    assert status.state != "running"
    assert status.ended_at is not None
    assert status.ended_at >= status.started_at
    return status


def test_nothing_before_the_first_job(board: JobManager) -> None:
    assert board.current() is None
    assert not board.running()
    assert board.wait(LONG_S) is None
    board.stop()  # nothing to stop


def test_a_job_runs_and_is_done(board: JobManager, gate: Gate) -> None:
    begun = board.start("index", "Indexing your catalogue", gate)
    assert (begun.name, begun.state, begun.message, begun.ended_at) == ("index", "running", "Indexing your catalogue", None)
    assert board.running()
    gate.open.set()
    status = ended(board)
    assert (status.state, status.message, status.error) == ("done", "All done.", None)
    assert not board.running()
    assert board.current() == status


def test_progress_is_seen_and_steps_and_epochs_are_kept(board: JobManager) -> None:
    step = Progress("index", "PictureTask", done=1, total=3)
    epoch = Progress("model", "Epoch 1 is done", figures={"epoch": 1, "loss": 2.0})
    last = Progress("index", "Index: 3 of 3", done=3, total=3, finished=True)
    gate = Gate(step, epoch, step, last)
    board.start("rebuild", "Rebuilding", gate)
    assert gate.told.wait(LONG_S)
    now = board.current()
    assert now is not None
    assert (now.progress, now.message) == (last, "Index: 3 of 3")
    assert now.log == (epoch, last)
    gate.open.set()
    assert ended(board).log == (epoch, last)


def test_the_log_stays_bounded(board: JobManager) -> None:
    gate = Gate(*(Progress("x", f"{i}", done=i, finished=True) for i in range(1000)))
    gate.open.set()
    board.start("x", "x", gate)
    log = ended(board).log
    assert len(log) <= 200
    assert log[-1].done == 999


def test_only_one_at_a_time(board: JobManager, gate: Gate) -> None:
    board.start("index", "Indexing your catalogue", gate)
    with pytest.raises(BusyError, match="Indexing your catalogue") as caught:
        board.start("train", "Training", gate)
    assert caught.value.code == "busy"
    assert caught.value.remedy
    gate.open.set()
    assert ended(board).name == "index"
    board.start("train", "Training", gate)
    assert ended(board).name == "train"


def test_a_job_whose_thread_cannot_start_blocks_nobody(board: JobManager, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    gate.open.set()
    first = board.start("index", "Indexing", gate)
    ended(board)

    def no_thread(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        with pytest.raises(BusyError, match="no thread") as caught:
            board.start("train", "Training", gate)
    assert caught.value.remedy
    assert not board.running()
    assert ended(board).job_id == first.job_id
    assert [job.job_id for job in board.history()] == [first.job_id]
    board.start("train", "Training", gate)
    assert ended(board).name == "train"


def test_of_many_that_start_at_once_one_wins(board: JobManager, gate: Gate) -> None:
    barrier = threading.Barrier(8)

    def start(number: int) -> str:
        barrier.wait(LONG_S)
        try:
            return board.start(f"job{number}", "x", gate).name
        except BusyError:
            return ""

    with ThreadPoolExecutor(8) as threads:
        started = [name for name in threads.map(start, range(8)) if name]
    assert len(started) == 1
    gate.open.set()
    assert ended(board).name == started[0]


def test_a_stopped_job_says_so_and_the_next_is_not_stopped(board: JobManager, gate: Gate) -> None:
    board.start("index", "Indexing", gate)
    board.stop()
    status = ended(board)
    assert status.state == "stopped"
    assert status.message.startswith("The work was stopped.")
    gate.open.set()
    board.start("index", "Indexing", gate)
    assert ended(board).state == "done"


def test_a_failure_is_kept_with_its_words(board: JobManager) -> None:
    error = TrainingError("training_failed", "The loss ran away.", remedy="Train again.")

    def work(note: OnProgress, stop: threading.Event) -> str:
        raise error

    board.start("train", "Training", work)
    status = ended(board)
    assert (status.state, status.message, status.error) == ("failed", "The loss ran away. Train again.", error)


def test_a_mistake_of_ours_is_logged_and_told_without_its_insides(board: JobManager, caplog: pytest.LogCaptureFixture) -> None:

    def work(note: OnProgress, stop: threading.Event) -> str:
        raise ZeroDivisionError("secret detail")

    with caplog.at_level(logging.ERROR):
        board.start("train", "Training", work)
        status = ended(board)
    assert status.state == "failed"
    assert "ZeroDivisionError" in status.message
    assert "secret" not in status.message
    assert "secret detail" in caplog.text
    board.start("train", "Training", lambda note, stop: "fine")
    assert ended(board).state == "done"


class Counting:
    """Work that reports without end, until it is told to stop."""

    def __init__(self) -> None:
        self.done = 0
        self.told = threading.Condition()

    def __call__(self, note: OnProgress, stop: threading.Event) -> str:
        while True:
            check_stop(stop, "Counting")
            note(Progress("count", f"{self.done}", done=self.done))
            with self.told:
                self.done += 1
                self.told.notify_all()

    def wait_for(self, done: int) -> None:
        with self.told:
            assert self.told.wait_for(lambda: self.done >= done, LONG_S)


def test_a_paused_job_waits_and_goes_on(board: JobManager) -> None:
    work = Counting()
    job_id = board.start("count", "Counting", work).job_id
    work.wait_for(3)
    board.pause(job_id)
    board.pause(job_id)  # twice is fine
    paused = board.status(job_id)
    assert (paused.state, paused.ended_at, board.running()) == ("paused", None, True)
    with pytest.raises(BusyError):
        board.start("other", "Another", work)
    assert board.wait(0.05) is not None
    here = work.done
    assert board.wait(0.05) is not None
    assert work.done <= here + 1  # at most the report that was under way
    board.resume(job_id)
    work.wait_for(here + 5)
    assert board.status(job_id).state == "running"
    board.stop(job_id)
    assert ended(board).state == "stopped"
    for late in (board.pause, board.resume, board.stop):
        late(job_id)
        assert board.status(job_id).state == "stopped"


def test_a_paused_job_can_be_stopped(board: JobManager) -> None:
    work = Counting()
    board.start("count", "Counting", work)
    work.wait_for(1)
    board.pause()
    board.stop()
    assert ended(board).state == "stopped"


def test_the_last_jobs_are_remembered_by_id(board: JobManager) -> None:
    ids = []
    for number in range(25):
        ids.append(board.start(f"job{number}", "x", lambda note, stop: "fine").job_id)
        ended(board)
    assert len(set(ids)) == 25
    assert [status.name for status in board.history()] == [f"job{number}" for number in range(24, 4, -1)]
    assert board.status(ids[10]).name == "job10"
    for unknown in (ids[0], "", "x" * 500):
        for ask in (board.status, board.stop, board.pause, board.resume):
            with pytest.raises(QueryError) as caught:
                ask(unknown)
            assert caught.value.code == "not_found"
            assert len(str(caught.value)) < 200
