import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crossmodal.errors import BusyError, PictureError
from crossmodal.images import decoder as module
from crossmodal.images.decode import DecodeLimits, decode_picture
from crossmodal.images.decoder import ChildDiedError, DecodeChild, Decoder, FifoPool
from crossmodal.images.formats import has_decoder
from crossmodal.images.public_address import Watchdog
from crossmodal.items import Fit
from tests.crossmodal.images.drawing import corners, encode, is_upright
from tests.waiting import wait_until

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
        pretending(patch, tmp_path, "time.sleep(3600)")
        with pytest.raises(PictureError) as error:
            child.decode(DATA, square_px=8)
        assert error.value.code == "timeout"
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


LIMITS = DecodeLimits()
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder(LIMITS) as decoder:
        yield decoder


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until_gone(pid: int) -> None:
    wait_until(lambda: not alive(pid), f"process {pid} still lives")


@pytest.mark.parametrize("size", [(240, 160), (100, 60), (3000, 2000), (1, 1)])
def test_a_picture_is_the_same_as_decoded_here(decoder: Decoder, size: tuple[int, int]) -> None:
    data = encode(corners(*size), "JPEG")
    there, here = decoder.decode(data, square_px=64), decode_picture(data, limits=LIMITS, square_px=64)
    assert there == here
    assert (there.pixels == here.pixels).all()
    assert there.pixels.flags.writeable
    assert (there.thumbnail is there.rendition) == (here.thumbnail is here.rendition)


@pytest.mark.parametrize("kind", ["AVIF", "HEIF", "WEBP", "GIF"])
def test_kinds_whose_decoder_is_loaded_late_pass_inside_the_limits_too(decoder: Decoder, kind: str) -> None:
    if kind in ("AVIF", "HEIF") and not has_decoder(kind):
        pytest.skip(f"no decoder for {kind} is installed")
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    assert is_upright(decoder.decode(encode(corners(), kind), square_px=64), tolerance=60)


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"", "empty_file"), (b"hello", "not_an_image"), (b"II*\0", "unsupported_format"), (encode(corners())[:300], "image_corrupt")],
)
def test_an_error_comes_back_as_it_was_raised(decoder: Decoder, data: bytes, code: str) -> None:
    with pytest.raises(PictureError) as there:
        decoder.decode(data, square_px=64)
    with pytest.raises(PictureError) as here:
        decode_picture(data, limits=LIMITS, square_px=64)
    assert there.value.code == code
    assert (str(there.value), there.value.remedy) == (str(here.value), here.value.remedy)


def test_a_file_too_large_is_refused_before_a_process_sees_it() -> None:
    with Decoder(DecodeLimits(max_bytes=10)) as decoder:
        with pytest.raises(PictureError) as error:
            decoder.decode(b"x" * 11, square_px=8)
        assert error.value.code == "too_large"
        assert decoder.pids == ()


def test_processes_start_when_needed_and_at_most_as_many_as_allowed() -> None:
    with Decoder(LIMITS, workers=3) as decoder:
        assert decoder.pids == ()
        for _ in range(3):
            decoder.decode(encode(corners()), square_px=8)
        assert len(decoder.pids) == 1
        pids = decoder.pids
        with ThreadPoolExecutor(12) as threads:
            pictures = list(threads.map(lambda n: decoder.decode(encode(corners(100 + n, 80)), square_px=8), range(60)))
        assert [picture.width_px for picture in pictures] == list(range(100, 160))
        assert set(pids) <= set(decoder.pids)
        assert len(decoder.pids) <= 3
    for pid in pids:
        wait_until_gone(pid)


def test_a_death_is_forgiven_once_and_two_are_the_pictures_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(corners())
    with Decoder(LIMITS, workers=1) as decoder:
        decoder.decode(data, square_px=8)
        child = decoder._children[0]
        ask, deaths = child._ask, 1

        def dying(data: bytes, square_px: int, fit: Fit) -> object:
            nonlocal deaths
            if deaths:
                deaths -= 1
                assert child.pid is not None
                os.kill(child.pid, signal.SIGKILL)
            return ask(data, square_px, fit)

        monkeypatch.setattr(child, "_ask", dying)
        assert decoder.decode(data, square_px=8).width_px == 240
        deaths = 2
        with pytest.raises(PictureError) as error:
            decoder.decode(data, square_px=8)
        assert error.value.code == "image_corrupt"
        assert decoder.decode(data, square_px=8).width_px == 240


def test_a_picture_that_takes_too_long_ends_and_the_next_one_passes() -> None:
    slow = encode(Image.fromarray(np.random.default_rng(0).integers(0, 256, (2000, 2000, 3), np.uint8)), "PNG", compress_level=1)
    with Decoder(DecodeLimits(timeout_s=0.02), workers=1) as decoder:
        with pytest.raises(PictureError) as error:
            decoder.decode(slow, square_px=8)
        assert error.value.code == "timeout"
        with pytest.raises(PictureError, match="not a picture"):
            decoder.decode(b"\x7fELF", square_px=8)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space")
def test_a_picture_that_needs_too_much_memory_ends_and_the_next_one_passes() -> None:
    with Decoder(DecodeLimits(memory_bytes=64 * 2**20), workers=1) as decoder:
        with pytest.raises(PictureError) as error:
            decoder.decode(encode(Image.new("RGB", (6000, 6000))), square_px=8)
        assert error.value.code == "image_too_large"
        assert "64 MB" in str(error.value)
        assert decoder.decode(encode(corners()), square_px=8).width_px == 240


def test_waiting_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with Decoder(LIMITS, workers=1, patience_s=0.05) as decoder:
        held = decoder._free.take(timeout_s=1)
        with pytest.raises(BusyError) as error:
            decoder.decode(encode(corners()), square_px=8)
        assert error.value.code == "busy"
        assert held is not None
        decoder._free.give(held)
        assert decoder.decode(encode(corners()), square_px=8).width_px == 240


def test_closing_ends_everything_even_in_the_middle() -> None:
    decoder = Decoder(LIMITS, workers=2)
    data = encode(corners(1500, 1000))
    ends: list[str] = []

    def work() -> None:
        try:
            while True:
                decoder.decode(data, square_px=8)
        except (BusyError, PictureError) as error:
            ends.append(error.code)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(decoder.pids) >= 2)
    pids = decoder.pids
    decoder.close()
    decoder.close()
    for thread in threads:
        thread.join(10)
    assert ends == ["busy"] * 4
    for pid in pids:
        wait_until_gone(pid)


def test_a_decoder_nobody_holds_any_more_takes_its_processes_along() -> None:
    decoder = Decoder(LIMITS, workers=1)
    decoder.decode(encode(corners()), square_px=8)
    (pid,) = decoder.pids
    del decoder
    gc.collect()
    wait_until_gone(pid)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_the_processes_end_when_the_program_is_killed(tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(encode(corners()))
    code = (
        "import sys, time, pathlib\nfrom crossmodal.images.decoder import Decoder\nfrom crossmodal.images.decode import DecodeLimits\n"
        "decoder = Decoder(DecodeLimits())\ndecoder.decode(pathlib.Path(sys.argv[1]).read_bytes(), square_px=8)\n"
        "print(decoder.pids[0], flush=True)\ntime.sleep(60)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", code, str(picture)], stdout=subprocess.PIPE, env=environment) as program:
        assert program.stdout is not None
        pid = int(program.stdout.readline())
        assert alive(pid)
        program.kill()
    wait_until_gone(pid)


def test_each_thing_is_with_one_thread_at_a_time() -> None:
    pool = FifoPool("ab")
    in_use: set[str] = set()
    most = 0

    def work() -> None:
        nonlocal most
        for _ in range(200):
            thing = pool.take(timeout_s=10)
            assert thing is not None
            assert thing not in in_use
            in_use.add(thing)
            most = max(most, len(in_use))
            in_use.remove(thing)
            assert pool.give(thing)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most <= 2
    assert sorted(pool.close()) == ["a", "b"]


def test_who_came_first_is_served_first_and_no_newcomer_overtakes() -> None:
    pool = FifoPool(["only"])
    order: list[int] = []
    held = pool.take(timeout_s=1)

    def work(number: int) -> None:
        thing = pool.take(timeout_s=10)
        order.append(number)
        assert thing is not None
        pool.give(thing)

    threads = []
    for number in range(8):
        threads.append(threading.Thread(target=work, args=(number,)))
        threads[-1].start()
        wait_until(lambda number=number: len(pool._waiting) == number + 1)
    assert held is not None
    pool.give(held)
    for thread in threads:
        thread.join()
    assert order == list(range(8))


def test_patience_ends_and_the_place_is_given_up() -> None:
    pool = FifoPool(["only"])
    held = pool.take(timeout_s=1)
    assert pool.take(timeout_s=0.02) is None
    assert held is not None
    pool.give(held)
    assert pool.take(timeout_s=1) == "only"


def test_a_closed_pool_sends_everybody_home() -> None:
    pool = FifoPool(["only"])
    held = pool.take(timeout_s=1)
    got: list[object] = []
    thread = threading.Thread(target=lambda: got.append(pool.take(timeout_s=10)))
    thread.start()
    wait_until(lambda: pool._waiting)
    assert pool.close() == []
    thread.join()
    assert got == [None]
    assert pool.take(timeout_s=1) is None
    assert held is not None
    assert not pool.give(held)
