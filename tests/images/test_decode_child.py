import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from crossmodal.errors import BusyError, PictureError
from crossmodal.images import decode_child as module
from crossmodal.images.decode import DecodeLimits
from crossmodal.images.decode_child import ChildDiedError, DecodeChild
from crossmodal.images.watchdog import Watchdog
from tests.images.drawing import corners, encode

DATA = encode(corners())


@pytest.fixture
def watchdog() -> Iterator[Watchdog]:
    watchdog = Watchdog()
    yield watchdog
    watchdog.close()


@pytest.fixture
def child(watchdog: Watchdog) -> Iterator[DecodeChild]:
    child = DecodeChild(DecodeLimits(), watchdog)
    yield child
    child.stop()


def pretending(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str) -> None:
    """Put another program in the place of the decoding process. It is ready, takes a picture, and then does what `body` says."""
    script = tmp_path / "pretender.py"
    script.write_text(
        "import sys, time, struct\nout = sys.stdout.buffer\nout.write(b'ready'); out.flush()\n"
        f"side, length = struct.unpack('!II', sys.stdin.buffer.read(8))\nsys.stdin.buffer.read(length)\n{body}\n"
    )
    interpreter = tmp_path / "python"
    interpreter.write_text(f"#!/bin/sh\nexec {sys.executable} {script}\n")
    interpreter.chmod(0o755)
    monkeypatch.setattr(module.sys, "executable", str(interpreter))


def test_one_process_serves_until_its_time_has_come(child: DecodeChild, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SERVED", 3)
    assert child.pid is None
    pids = []
    for _ in range(7):
        assert child.decode(DATA, square_px=8).width_px == 240
        pids.append(child.pid)
    assert [len(set(pids[start : start + 3])) for start in (0, 3)] == [1, 1]
    assert len(set(pids)) == 3


def test_a_process_killed_between_pictures_is_replaced_unnoticed(child: DecodeChild) -> None:
    child.decode(DATA, square_px=8)
    child.kill()
    assert child._process is not None
    child._process.wait()
    assert child.pid is None
    assert child.decode(DATA, square_px=8).height_px == 160


def test_a_process_killed_at_work_is_a_death_and_then_replaced(
    child: DecodeChild, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as patch:
        pretending(patch, tmp_path, "time.sleep(60)")
        threading.Timer(0.5, child.kill).start()
        with pytest.raises(ChildDiedError):
            child.decode(DATA, square_px=8)
    assert child.decode(DATA, square_px=8).width_px == 240


def test_a_process_that_hangs_is_killed_in_time_and_replaced(
    watchdog: Watchdog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    child = DecodeChild(DecodeLimits(timeout_s=0.3), watchdog)
    with monkeypatch.context() as patch:
        pretending(patch, tmp_path, "time.sleep(60)")
        begun = time.monotonic()
        with pytest.raises(PictureError) as error:
            child.decode(DATA, square_px=8)
        assert error.value.code == "timeout"
        assert time.monotonic() - begun < 10
    assert child.pid is None
    assert child.decode(DATA, square_px=8).width_px == 240
    child.stop()


@pytest.mark.parametrize(
    "answer",
    [
        "struct.pack('!6I', 0, 9, 9, 5, 5, 5) + b'x' * 15",  # pixels of another size
        "struct.pack('!6I', 0, 9, 9, 192, 2**32 - 1, 5)",  # a rendition of 4 GB
        "struct.pack('!6I', 0, 9, 9, 192, 2**32 - 1, 5) + b'x' * 192 + b'x' * 50_000_000",  # and the beginning of it
        "struct.pack('!6I', 1, 3, 3, 3, 0, 0) + b'abcdefghi'",  # a code that is none
        "struct.pack('!6I', 1, 2, 2, 2, 0, 0) + b'\\xff' * 6",  # no UTF-8
        "b'short'",
    ],
)
def test_a_process_that_was_taken_over_is_not_believed(
    child: DecodeChild, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: str
) -> None:
    pretending(monkeypatch, tmp_path, f"out.write({answer}); out.flush(); out.close()")
    with pytest.raises(ChildDiedError):
        child.decode(DATA, square_px=8)
    assert child.pid is None


@pytest.mark.parametrize("executable", ["/bin/false", "/nowhere/python"])
def test_a_process_that_does_not_start_is_said(child: DecodeChild, monkeypatch: pytest.MonkeyPatch, executable: str) -> None:
    monkeypatch.setattr(module.sys, "executable", executable)
    with pytest.raises(BusyError, match="could not be started"):
        child.decode(DATA, square_px=8)


def test_the_process_sees_nothing_of_the_programs_environment(child: DecodeChild, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSMODAL_API_KEY", "secret")
    child.decode(DATA, square_px=8)
    environment = Path(f"/proc/{child.pid}/environ")
    if not environment.exists():
        pytest.skip("reads the environment from /proc")
    assert b"secret" not in environment.read_bytes()
