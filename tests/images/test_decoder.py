import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crossmodal.errors import BusyError, PictureError
from crossmodal.images.decode import DecodeLimits, decode_picture
from crossmodal.images.decoder import Decoder
from crossmodal.images.sniff import has_decoder
from tests.images.drawing import corners, encode, is_upright

LIMITS = DecodeLimits()
ROOT = Path(__file__).resolve().parents[2]


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
    end = time.monotonic() + 10
    while alive(pid):
        assert time.monotonic() < end, f"process {pid} still lives"
        time.sleep(0.01)


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

        def dying(data: bytes, square_px: int) -> object:
            nonlocal deaths
            if deaths:
                deaths -= 1
                assert child.pid is not None
                os.kill(child.pid, signal.SIGKILL)
            return ask(data, square_px)

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
    while len(decoder.pids) < 2:
        time.sleep(0.01)
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
