"""One holder at a time, in one process and in several; a dead one holds nothing."""

import errno
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import filelock
import pytest

from crossmodal.errors import StoreError
from crossmodal.locks import is_locked, try_lock, wait_for_lock

PROJECT = Path(__file__).resolve().parents[2]
HOLDER = """
import sys
from pathlib import Path
from crossmodal.locks import try_lock
with try_lock(Path(sys.argv[1])) as held:
    print(held, flush=True)
    sys.stdin.readline()
"""


def test_one_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "made" / "x.lock"
    assert not is_locked(path)
    assert not path.parent.exists()
    with try_lock(path) as held, try_lock(path) as too:
        assert (held, too) == (True, False)
        assert is_locked(path)
    assert not is_locked(path)
    with try_lock(path) as held:
        assert held


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        assert is_locked(path)
        other.kill()
    assert other.returncode == -signal.SIGKILL
    assert path.exists()
    assert not is_locked(path)
    with try_lock(path) as held:
        assert held


def test_waiting_is_told_once_and_ends(tmp_path: Path) -> None:
    path, told, order = tmp_path / "x.lock", threading.Event(), []

    def wait() -> None:
        with wait_for_lock(path, told.set):
            order.append("second")

    with try_lock(path):
        thread = threading.Thread(target=wait)
        thread.start()
        assert told.wait(60)
        order.append("first")
    thread.join(60)
    assert order == ["first", "second"]
    with wait_for_lock(path, lambda: pytest.fail("nobody holds it")):
        assert is_locked(path)
    assert not is_locked(path)


def test_another_thread_may_release(tmp_path: Path) -> None:
    path, held = tmp_path / "x.lock", ExitStack()
    assert held.enter_context(try_lock(path))
    thread = threading.Thread(target=held.close)
    thread.start()
    thread.join(60)
    assert not is_locked(path)


def test_many_threads_are_never_two(tmp_path: Path) -> None:
    inside, seen = [], []

    def work() -> None:
        for _ in range(20):
            with try_lock(tmp_path / "x.lock") as held:
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


def test_looking_keeps_nobody_out(tmp_path: Path) -> None:
    path, stop = tmp_path / "x.lock", threading.Event()

    def look() -> None:
        while not stop.is_set():
            is_locked(path)

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for looker in lookers:
        looker.start()
    refused = 0
    for _ in range(200):
        with try_lock(path) as held:
            refused += not held
    stop.set()
    for looker in lookers:
        looker.join(60)
    assert refused == 0


def test_two_that_look_do_not_take_each_other_for_the_holder(tmp_path: Path) -> None:
    path, seen = tmp_path / "x.lock", []
    path.write_bytes(b"")  # a killed process left it
    lookers = [threading.Thread(target=lambda: seen.extend(is_locked(path) for _ in range(200))) for _ in range(3)]
    for looker in lookers:
        looker.start()
    for looker in lookers:
        looker.join(60)
    assert seen == [False] * 600


def test_where_no_file_can_be_made_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError) as raised, try_lock(tmp_path / "file" / "x.lock"):
        pass
    assert raised.value.remedy


def test_nobody_is_kept_out_where_the_file_system_has_no_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with try_lock(tmp_path / "x.lock") as held, try_lock(tmp_path / "x.lock") as too:
        assert (held, too) == (True, True)
