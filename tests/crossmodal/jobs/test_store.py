"""Requests reach the process that runs the job, each once and in order; damage to the file costs the list and nothing else."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from crossmodal.errors import StoreError, TrainingError
from crossmodal.jobs import HISTORY_SIZE, JobManager, JobStatus, JobStore
from crossmodal.progress import Progress

JOB, OTHER = "a" * 32, "b" * 32


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.sqlite3"


@pytest.fixture
def store(path: Path) -> JobStore:
    store = JobStore(path)
    with acquired(store):
        pass
    return store


def acquired(store: JobStore) -> closing[JobStore]:
    slot = store.acquire()
    assert slot is not None
    return closing(slot)  # type: ignore[arg-type]


def status(job_id: str = JOB, state: str = "running", *, started_at: float = 5.0) -> JobStatus:
    progress = Progress("index", "Pictures", 1, 3, rate_per_s=0.5, seconds_left=4.0, figures={"epoch": 1, "loss": float("inf")})
    return JobStatus("index", state, progress, "Pictures", started_at, log=(progress,), job_id=job_id)


def processed(store: JobStore) -> list[str]:
    found = []
    while (request := store.next_request(JOB)) is not None:
        found.append(request)
    return found


def damage(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(sql)


def test_a_job_comes_back_as_it_was_recorded(store: JobStore, path: Path) -> None:
    failed = JobStatus(
        "train",
        "failed",
        Progress("model", "x"),
        "x",
        1.0,
        2.0,
        error=TrainingError("training_failed", "No.", remedy="Do."),
        job_id=OTHER,
    )
    with acquired(store):
        for each in (status(), failed):
            store.write(each)
        found = JobStore(path).jobs()
    assert found[1] == status()
    assert found[0].error is not None
    assert (found[0].error.code, found[0].error.message, found[0].error.remedy) == ("training_failed", "No.", "Do.")
    assert (found[0].ended_at, found[0].state) == (2.0, "failed")


def test_the_order_is_that_of_their_beginning_whatever_the_clock_says(store: JobStore) -> None:
    numbers = range(HISTORY_SIZE + 5)
    for number in numbers:
        store.write(status(f"{number}", "done", started_at=1000.0 - number))
    store.write(status("20", "failed", started_at=-1.0))
    assert [each.job_id for each in store.jobs()] == [f"{number}" for number in reversed(numbers)][:HISTORY_SIZE]


def test_each_request_is_processed_once_in_its_order(store: JobStore, path: Path) -> None:
    assert processed(store) == []
    for request in ("pause", "resume", "stop", "resume"):
        JobStore(path).request(JOB, request)  # type: ignore[arg-type]
    store.request(OTHER, "pause")
    assert processed(store) == ["pause", "resume", "stop", "resume"]
    assert processed(store) == []


def test_no_request_is_lost_between_threads(store: JobStore, path: Path) -> None:
    requesting = [threading.Thread(target=lambda: [JobStore(path).request(JOB, "stop") for _ in range(40)]) for _ in range(3)]
    for thread in requesting:
        thread.start()
    found = []
    while any(thread.is_alive() for thread in requesting):
        found += processed(store)
    found += processed(store)
    assert len(found) == 120


def test_a_request_that_cannot_be_recorded_is_said(store: JobStore, path: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TRIGGER full BEFORE INSERT ON request BEGIN SELECT raise(ABORT, 'no'); END")
        connection.commit()
    with pytest.raises(StoreError) as raised:
        store.request(JOB, "stop")
    assert raised.value.remedy
    assert processed(store) == []
    with pytest.raises(StoreError):
        JobStore(tmp_path / "no folder" / "jobs.sqlite3").request(JOB, "stop")
    assert not (tmp_path / "no folder").exists()


def test_a_new_job_hears_no_request_to_an_earlier_one(store: JobStore) -> None:
    store.request(JOB, "stop")
    with acquired(store):
        assert processed(store) == []


def test_looking_makes_no_file(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "jobs.sqlite3")
    assert store.jobs() == []
    assert store.next_request(JOB) is None
    assert list(tmp_path.iterdir()) == []


def test_what_is_under_way_and_held_by_nobody_has_ended(store: JobStore) -> None:
    with acquired(store):
        store.write(status())
        assert [each.state for each in store.jobs()] == ["running"]
    looked = store.jobs()
    with acquired(store):
        assert looked == store.jobs()
    assert [(each.state, each.progress.seconds_left, each.ended_at) for each in looked] == [("failed", None, 5.0)]


@pytest.mark.parametrize(
    "changes",
    [
        "progress = 'nonsense'",
        "progress = '[]'",
        "progress = '{}'",
        "progress = json_set(progress, '$.done', '3')",
        "progress = json_set(progress, '$.seconds_left', '3')",
        "progress = json_set(progress, '$.figures', json('[1]'))",
        "progress = json_set(progress, '$.figures.epoch', 'one')",
        "log = '[1]'",
        "log = '7'",
        'error = \'{"code": "no such", "message": "", "remedy": ""}\'',
        'error = \'{"code": "busy", "message": 1, "remedy": ""}\'',
        "error = '[1]'",
    ],
)
def test_a_row_that_is_no_job_is_skipped(store: JobStore, path: Path, changes: str) -> None:
    plain = JobStatus("index", "done", Progress("index", "x", figures={"epoch": 1}), "x", 1.0, job_id=JOB)
    for job_id in (JOB, OTHER):
        store.write(JobStatus("index", "done", plain.progress, "x", 1.0, job_id=job_id))
    damage(path, f"UPDATE job SET {changes} WHERE job_id = '{JOB}'")
    assert [each.job_id for each in store.jobs()] == [OTHER]


@pytest.mark.parametrize(
    "changes", ["started_at = 'yesterday'", "ended_at = 'x'", "state = 'flying'", "message = x'00'", "name = NULL"]
)
def test_columns_keep_their_types(store: JobStore, path: Path, changes: str) -> None:
    store.write(status())
    with pytest.raises(sqlite3.IntegrityError):
        damage(path, f"UPDATE job SET {changes}")


@pytest.mark.parametrize("content", [b"nonsense" * 512, b"", b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_damaged_file_is_no_list_and_is_replaced_by_the_next_job(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    manager = JobManager(JobStore(path))
    assert manager.history() == []
    assert manager.current() is None
    manager.start("index", "Indexing", lambda note, stop: "fine")
    manager.wait(20)
    assert [each.state for each in JobStore(path).jobs()] == ["done"]
