"""The decoding process by itself, spoken to over its pipes as a stranger would."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import pytest

from crossmodal.images.decode import DecodeLimits
from crossmodal.images.decode_worker import ANSWER, PICTURE, READY, REFUSED, REQUEST
from tests.crossmodal.images.drawing import corners, encode

ROOT = Path(__file__).resolve().parents[3]
COMMAND = [sys.executable, "-P", "-m", "crossmodal.images.decode_worker"]


@contextmanager
def worker(**limits: Any) -> Iterator[tuple[IO[bytes], IO[bytes], "subprocess.Popen[bytes]"]]:
    with subprocess.Popen(
        [*COMMAND, json.dumps(asdict(DecodeLimits(**limits)))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.read(len(READY)) == READY
        yield process.stdin, process.stdout, process
        process.kill()


def ask(requests: IO[bytes], answers: IO[bytes], data: bytes, square_px: int = 8) -> tuple[tuple[int, ...], bytes]:
    requests.write(REQUEST.pack(square_px, 0, len(data)) + data)
    requests.flush()
    head = ANSWER.unpack(answers.read(ANSWER.size))
    return head, answers.read(sum(head[1:4]) if head[0] == REFUSED else sum(head[3:]))


def test_it_answers_one_picture_after_another() -> None:
    with worker(rendition_px=128, thumbnail_px=64) as (requests, answers, _):
        head, body = ask(requests, answers, encode(corners()))
        assert head[:3] == (PICTURE, 240, 160)
        assert len(body) == sum(head[3:])
        assert head[3] == 8 * 8 * 3
        assert body[head[3] :].startswith(b"\xff\xd8\xff")
        head, body = ask(requests, answers, b"nonsense")
        assert head[0] == REFUSED
        assert body[: head[1]] == b"not_an_image"
        head, _ = ask(requests, answers, encode(corners(30, 20)))
        assert head[:3] == (PICTURE, 30, 20)
        assert head[5] == 0  # the thumbnail is the rendition


def test_it_ends_when_its_input_ends_even_in_the_middle_of_a_request() -> None:
    for start in (b"", REQUEST.pack(8, 0, 1000) + b"half"):
        with worker() as (requests, _, process):
            requests.write(start)
            requests.close()
            assert process.wait(10) == 0


def test_it_needs_no_numpy_and_no_torch_and_loads_no_decoder_it_does_not_use() -> None:
    code = (
        "import sys; from crossmodal.images.decode_worker import main; from crossmodal.images.decode import decode_parts, DecodeLimits;"
        "import pathlib; data = pathlib.Path(sys.argv[1]).read_bytes(); decode_parts(data, limits=DecodeLimits(), square_px=8);"
        "print([name for name in sys.modules if name.split('.')[0] in ('numpy', 'torch', 'pillow_heif', 'requests') or 'Eps' in name])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, "/dev/stdin"],
        input=encode(corners()),
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    assert result.stdout.strip() == b"[]"


@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="reads the limits from /proc")
def test_it_gives_up_what_it_does_not_need() -> None:
    with worker(memory_bytes=512 * 2**20, timeout_s=3) as (requests, answers, process):
        ask(requests, answers, encode(corners()))
        lines = Path(f"/proc/{process.pid}/limits").read_text().splitlines()[1:]
        soft = {line[:25].strip(): line[26:].split()[0] for line in lines}
        assert soft["Max core file size"] == "0"
        assert soft["Max file size"] == "0"
        assert 512 * 2**20 < int(soft["Max address space"]) < 512 * 2**20 + 400 * 2**20
        assert 3 < int(soft["Max cpu time"]) <= 6


def test_it_starts_quickly() -> None:
    begun = time.monotonic()
    with worker():
        assert time.monotonic() - begun < 5  # 0.1 s alone on a computer; never a reason to wait
