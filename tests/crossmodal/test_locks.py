"""One holder at a time, in one process and in several; a dead one holds nothing."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from crossmodal.errors import StoreError
from crossmodal.locks import LockFile
from crossmodal.progress import Stopped

PROJECT = Path(__file__).resolve().parents[2]
HOLDER = """
import sys
from pathlib import Path
from crossmodal.locks import LockFile
with LockFile(Path(sys.argv[1])).tried() as held:
    print(held, flush=True)
    sys.stdin.readline()
"""


def test_one_at_a_time_and_nothing_is_left(tmp_path: Path) -> None:
    path = tmp_path / "made" / "x.lock"
    first, second = LockFile(path), LockFile(path)
    assert first.is_free()
    assert not path.exists()
    with first.tried() as held, second.tried() as too:
        assert (held, too) == (True, False)
        assert not first.is_free()
    assert second.is_free()
    with second.tried() as held:
        assert held
    assert not path.exists()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        assert not LockFile(path).is_free()
        other.kill()
    assert other.returncode == -signal.SIGKILL
    assert path.exists()
    assert LockFile(path).is_free()
    with LockFile(path).tried() as held:
        assert held
    assert not path.exists()


def test_waiting_is_told_once_and_ends(tmp_path: Path) -> None:
    lock, told, order = LockFile(tmp_path / "x.lock"), threading.Event(), []

    def wait() -> None:
        with LockFile(tmp_path / "x.lock").waited_for(told.set, what="Waiting"):
            order.append("second")

    with lock.tried():
        thread = threading.Thread(target=wait)
        thread.start()
        assert told.wait(60)
        order.append("first")
    thread.join(60)
    assert order == ["first", "second"]
    with lock.waited_for(lambda: pytest.fail("nobody holds it"), what="Waiting"):
        pass


def test_waiting_can_be_stopped(tmp_path: Path) -> None:
    lock, stop = LockFile(tmp_path / "x.lock"), threading.Event()
    with (
        lock.tried(),
        pytest.raises(Stopped, match="Waiting was stopped"),
        LockFile(tmp_path / "x.lock").waited_for(stop.set, what="Waiting", stop=stop),
    ):
        pass


def test_many_threads_are_never_two(tmp_path: Path) -> None:
    inside, seen = [], []

    def work() -> None:
        for _ in range(20):
            with LockFile(tmp_path / "x.lock").tried() as held:
                if held:
                    inside.append(1)
                    seen.append(len(inside))
                    inside.pop()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert seen
    assert set(seen) == {1}


def test_who_only_looks_keeps_nobody_out(tmp_path: Path) -> None:
    path, stop = tmp_path / "x.lock", threading.Event()

    def look() -> None:
        while not stop.is_set():
            LockFile(path).is_free()

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for looker in lookers:
        looker.start()
    refused = 0
    for _ in range(200):
        with LockFile(path).tried() as held:
            refused += not held
    with LockFile(path).waited_for(lambda: pytest.fail("nobody holds it"), what="Waiting"):
        pass
    stop.set()
    for looker in lookers:
        looker.join(60)
    assert refused == 0


def test_looking_leaves_everything_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    path.write_bytes(b"")  # a killed process left it
    assert LockFile(path).is_free()
    assert path.exists()
    assert LockFile(tmp_path / "no folder" / "x.lock").is_free()
    assert not (tmp_path / "no folder").exists()


def test_where_no_file_can_be_made_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError) as raised, LockFile(tmp_path / "file" / "x.lock").tried():
        pass
    assert raised.value.remedy
