"""Wishes reach whoever runs the job: each of them, whole, in their order; one that cannot be written is said."""

import os
import threading
import time
from pathlib import Path

import pytest

from crossmodal.errors import StoreError
from crossmodal.jobs import FileJobStore, JobStatus
from crossmodal.progress import Progress

JOB = "a" * 32


@pytest.fixture
def shelf(tmp_path: Path) -> FileJobStore:
    return FileJobStore(tmp_path)


def status(job_id: str, state: str = "running") -> JobStatus:
    return JobStatus("index", state, Progress("index", "PictureTask"), "PictureTask", time.time(), job_id=job_id)  # type: ignore[arg-type]


def heard(shelf: FileJobStore) -> list[str]:
    found = []
    while (wish := shelf.wished(JOB)) is not None:
        found.append(wish)
    return found


def test_each_wish_is_heard_once_in_its_order(shelf: FileJobStore, tmp_path: Path) -> None:
    assert heard(shelf) == []
    for wish in ("pause", "resume", "stop", "resume"):
        FileJobStore(tmp_path).wish(JOB, wish)  # type: ignore[arg-type]
    shelf.wish("b" * 32, "pause")
    assert heard(shelf) == ["pause", "resume", "stop", "resume"]
    assert heard(shelf) == []


def test_a_wish_that_comes_while_another_is_heard_stays(
    shelf: FileJobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Path.read_text

    def late(self: Path, **named: str) -> str:
        text = read(self, **named)
        if text == "pause":
            shelf.wish(JOB, "stop")
        return text

    shelf.wish(JOB, "pause")
    monkeypatch.setattr(Path, "read_text", late)
    assert heard(shelf) == ["pause", "stop"]


def test_no_wish_is_lost_between_threads(shelf: FileJobStore, tmp_path: Path) -> None:
    wishing = [threading.Thread(target=lambda: [FileJobStore(tmp_path).wish(JOB, "stop") for _ in range(40)]) for _ in range(3)]
    for thread in wishing:
        thread.start()
    found = []
    while any(thread.is_alive() for thread in wishing):
        found += heard(shelf)
    found += heard(shelf)
    assert len(found) == 120
    assert list(tmp_path.iterdir()) == []


def test_a_wish_that_cannot_be_written_is_said_and_leaves_nothing(
    shelf: FileJobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("crossmodal.jobs.store.os.replace", full)
        with pytest.raises(StoreError) as raised:
            shelf.wish(JOB, "stop")
    assert raised.value.code == "disk_full"
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StoreError):
        FileJobStore(tmp_path / "no folder").wish(JOB, "stop")


def test_what_is_no_wish_is_passed_over(shelf: FileJobStore, tmp_path: Path) -> None:
    (tmp_path / f"{JOB}.0.wish").write_text("fly")
    shelf.wish(JOB, "pause")
    assert heard(shelf) == ["pause"]
    assert list(tmp_path.iterdir()) == []


def test_tidying_keeps_the_wishes_of_the_job_under_way_and_drafts_at_work(shelf: FileJobStore, tmp_path: Path) -> None:
    place = shelf.claim()
    assert place is not None
    with place:
        shelf.write(status("b" * 32, "done"))
        shelf.write(status(JOB))
        shelf.wish("b" * 32, "stop")
        shelf.wish(JOB, "stop")
        old, young = tmp_path / "x.part", tmp_path / "y.part"
        for draft in (old, young):
            draft.write_text("half")
        os.utime(old, (time.time() - 7200,) * 2)
        shelf.tidy()
        assert heard(shelf) == ["stop"]
        assert shelf.wished("b" * 32) is None
        assert (old.exists(), young.exists()) == (False, True)
