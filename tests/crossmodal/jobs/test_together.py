"""Two programs on one collection: each sees the other's job, stops it, and begins none beside it."""

import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from crossmodal.errors import BusyError, QueryError, SourceError
from crossmodal.jobs import JobManager, JobStatus, JobStore
from crossmodal.progress import OnProgress, Progress, check_stop
from tests.waiting import wait_until

PROJECT = Path(__file__).resolve().parents[3]
LONG_S = 20.0
OTHER = """
import sys, time
from pathlib import Path
from crossmodal.jobs import JobManager, JobStore
from crossmodal.progress import Progress, check_stop
def work(note, stop):
    for done in range(10**6):
        check_stop(stop, "Indexing")
        note(Progress("index", "PictureTask", done=done, total=10**6))
        time.sleep(0.01)
board = JobManager(JobStore(Path(sys.argv[1])))
print(board.start("index", "Indexing your catalogue", work).job_id, flush=True)
print(board.wait().state, flush=True)
"""


class Slow:
    """Work that goes on until it is told to stop or let go."""

    def __init__(self) -> None:
        self.let_go = threading.Event()

    def __call__(self, note: OnProgress, stop: threading.Event) -> str:
        done = 0
        while not self.let_go.wait(0.01):
            check_stop(stop, "The work")
            note(Progress("index", "PictureTask", done=(done := done + 1), total=100, figures={"epoch": 1}))
        return "All done."


@pytest.fixture
def slow() -> Iterator[Slow]:
    slow = Slow()
    yield slow
    slow.let_go.set()


@pytest.fixture
def boards(tmp_path: Path) -> tuple[JobManager, JobManager]:
    """As two programs have them: nothing in common but the folder."""
    here, there = (JobManager(JobStore(tmp_path / "jobs.sqlite3"), report_every_s=0.01) for _ in range(2))
    return here, there


def test_the_other_sees_it_and_its_progress_and_its_end(boards: tuple[JobManager, JobManager], slow: Slow) -> None:
    here, there = boards
    begun = here.start("index", "Indexing your catalogue", slow)
    seen = there.current()
    assert seen is not None
    assert (seen.job_id, seen.name, seen.state) == (begun.job_id, "index", "running")
    assert there.running()
    wait_until(lambda: (there.status(begun.job_id).progress.done or 0) > 3)
    assert there.status(begun.job_id).progress.total == 100
    slow.let_go.set()
    ended = here.wait(LONG_S)
    assert ended is not None
    assert there.current() == ended
    assert [status.job_id for status in there.history()] == [begun.job_id]
    assert not there.running()


def test_one_at_a_time_among_all(boards: tuple[JobManager, JobManager], slow: Slow) -> None:
    here, there = boards
    here.start("index", "Indexing your catalogue", slow)
    with pytest.raises(BusyError, match="running"):
        there.start("train", "Training", slow)
    assert there.wait(0.01) is None, "it began none"
    slow.let_go.set()
    here.wait(LONG_S)
    there.start("train", "Training", slow)
    assert there.wait(LONG_S).state == "done"  # type: ignore[union-attr]
    assert [status.name for status in here.history()] == ["train", "index"]


@pytest.mark.slow
@pytest.mark.parametrize("by_id", [True, False])
def test_the_other_pauses_resumes_and_stops_it(boards: tuple[JobManager, JobManager], slow: Slow, by_id: bool) -> None:
    here, there = boards
    job_id = here.start("index", "Indexing", slow).job_id
    named = job_id if by_id else None
    there.pause(named)
    wait_until(lambda: there.status(job_id).state == "paused")
    assert here.status(job_id).state == "paused"
    there.resume(named)
    wait_until(lambda: there.status(job_id).state == "running")
    there.stop(named)
    wait_until(lambda: there.status(job_id).state == "stopped")
    there.stop(job_id)  # it has ended: nothing happens
    with pytest.raises(QueryError):
        there.stop("../running")


def test_a_program_that_ends_stops_its_own_job_and_no_other(boards: tuple[JobManager, JobManager], slow: Slow) -> None:
    here, there = boards
    job_id = here.start("index", "Indexing", slow).job_id
    there.cancel_own()
    assert there.wait(0.1) is None
    done = there.status(job_id).progress.done
    wait_until(lambda: there.status(job_id).progress.done > done + 3)  # it has looked for requests since
    assert there.status(job_id).state == "running"


def test_a_failure_is_told_with_its_code(boards: tuple[JobManager, JobManager]) -> None:
    def fail(note: OnProgress, stop: threading.Event) -> str:
        raise SourceError("csv_empty", "There is nothing in it.", remedy="Fill it.")

    here, there = boards
    job_id = here.start("index", "Indexing", fail).job_id
    here.wait(LONG_S)
    error = there.status(job_id).error
    assert error is not None
    assert (error.code, error.message, error.remedy) == ("csv_empty", "There is nothing in it.", "Fill it.")


def test_what_ended_before_a_program_began_is_history_and_no_news(boards: tuple[JobManager, JobManager], tmp_path: Path) -> None:
    here, _ = boards
    here.start("index", "Indexing", lambda note, stop: "fine")
    here.wait(LONG_S)
    late = JobManager(JobStore(tmp_path / "jobs.sqlite3"))
    assert late.current() is None
    assert [status.state for status in late.history()] == ["done"]


def test_a_job_ends_with_its_killed_program(tmp_path: Path) -> None:
    board = JobManager(JobStore(tmp_path / "jobs.sqlite3"))
    command = [sys.executable, "-c", OTHER, str(tmp_path / "jobs.sqlite3")]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        job_id = other.stdout.readline().strip()
        wait_until(lambda: board.status(job_id).progress.done > 1)
        with pytest.raises(BusyError, match="PictureTask"):
            board.start("train", "Training", lambda note, stop: "fine")
        other.send_signal(signal.SIGKILL)
        other.wait()
    status = board.status(job_id)
    assert (status.state, board.running()) == ("failed", False)
    assert "ended together with the program" in status.message
    board.start("train", "Training", lambda note, stop: "fine")
    assert board.wait(LONG_S).state == "done"  # type: ignore[union-attr]
    assert board.status(job_id).state == "failed"


def test_another_program_hears_the_wish(tmp_path: Path) -> None:
    board = JobManager(JobStore(tmp_path / "jobs.sqlite3"))
    command = [sys.executable, "-c", OTHER, str(tmp_path / "jobs.sqlite3")]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        job_id = other.stdout.readline().strip()
        board.stop(job_id)
        assert other.stdout.readline().strip() == "stopped"
    assert board.status(job_id).state == "stopped"


def test_a_full_disk_costs_the_news_and_not_the_job(tmp_path: Path, slow: Slow) -> None:
    board = JobManager(JobStore(tmp_path / "jobs.sqlite3"))
    job = board.start("index", "Indexing", slow)
    with closing(sqlite3.connect(tmp_path / "jobs.sqlite3")) as connection, connection:
        connection.execute("CREATE TRIGGER full BEFORE UPDATE ON job BEGIN SELECT raise(ABORT, 'database or disk is full'); END")
    slow.let_go.set()
    ended = board.wait(LONG_S)
    assert isinstance(ended, JobStatus)
    assert (ended.job_id, ended.state) == (job.job_id, "done")


@pytest.mark.parametrize("step_s", [-3600.0, 3600.0])
def test_a_clock_that_is_set_hides_no_job(
    boards: tuple[JobManager, JobManager], monkeypatch: pytest.MonkeyPatch, step_s: float
) -> None:
    here = boards[0]
    first = here.start("index", "Indexing", lambda note, stop: "fine").job_id
    here.wait(LONG_S)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + step_s)
    second = here.start("train", "Training", lambda note, stop: "fine").job_id
    ended = here.wait(LONG_S)
    assert ended is not None
    assert (ended.ended_at or 0.0) >= ended.started_at
    for board in boards:
        assert [status.job_id for status in board.history()] == [second, first]
        assert board.current() == ended
        assert board.status(second) == ended


def test_a_stopped_job_has_no_time_left(boards: tuple[JobManager, JobManager]) -> None:
    def work(note: OnProgress, stop: threading.Event) -> str:
        note(Progress("index", "Pictures", done=1, total=9, seconds_left=8.0))
        assert stop.wait(LONG_S)
        check_stop(stop, "Indexing")
        return ""

    here = boards[0]
    job_id = here.start("index", "Indexing", work).job_id
    here.stop()
    here.wait(LONG_S)
    for board in boards:
        assert (board.status(job_id).progress.done, board.status(job_id).progress.seconds_left) == (1, None)
