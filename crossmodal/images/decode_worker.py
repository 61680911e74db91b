"""The decoding process: reads pictures from standard input and writes results to standard output until the input ends.

Started by `crossmodal.images.decoder`. It uses only the bytes it receives: no files, no network, no settings except its limits. When
its parent dies, its input ends and it exits.

Wire format, all numbers big-endian:
    on start        READY
    request         side of the square in pixels, position of its fit in `FITS`, length of the file, the file
    response        PICTURE, width, height and three lengths, then pixels, rendition and thumbnail (length 0: same as the rendition)
                    REFUSED, three lengths, 0, 0, then code, message and remedy in UTF-8
"""

import contextlib
import json
import math
import os
import signal
import struct
import sys
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

from crossmodal.errors import PictureError
from crossmodal.images.decode import DecodeLimits, decode_parts, guard_pillow
from crossmodal.items import FITS, Fit

fcntl: ModuleType | None
resource: ModuleType | None
try:
    import fcntl
    import resource
except ImportError:  # Windows has neither
    fcntl = resource = None

READY = b"ready"
REQUEST = struct.Struct("!III")
ANSWER = struct.Struct("!6I")
PICTURE, REFUSED = 0, 1
PIPE_BYTES = 256 * 2**10
"""Pipe capacity for a whole response, so that writer and reader synchronise once and not every 64 kB."""


def main() -> None:
    """Serve requests. The only argument is a `DecodeLimits` as JSON."""
    limits = DecodeLimits(**json.loads(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the parent; this process ends with it
    requests, answers = _streams()
    guard_pillow(limits)
    _confine(limits)
    answers.write(READY)
    answers.flush()
    while len(head := requests.read(REQUEST.size)) == REQUEST.size:
        square_px, fit, length = REQUEST.unpack(head)
        data = requests.read(length)
        if len(data) < length:
            break
        _limit_time(limits)
        answers.write(_answer(data, limits, square_px, FITS[fit]))
        answers.flush()


def _answer(data: bytes, limits: DecodeLimits, square_px: int, fit: Fit) -> bytes:
    try:
        width, height, *parts = decode_parts(data, limits=limits, square_px=square_px, fit=fit)
    except PictureError as error:
        texts = [text.encode() for text in (error.code, error.message, error.remedy)]
        return b"".join([ANSWER.pack(REFUSED, *map(len, texts), 0, 0), *texts])
    if parts[2] is parts[1]:
        parts[2] = b""
    return b"".join([ANSWER.pack(PICTURE, width, height, *map(len, parts)), *parts])


def _streams() -> tuple[BinaryIO, BinaryIO]:
    """Private copies of stdin and stdout, so that anything a library prints is discarded instead of corrupting responses."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    for stream in (requests, answers):
        with contextlib.suppress(OSError, AttributeError):  # Linux only, and only within the system's limit
            fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)  # type: ignore[union-attr]
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    return requests, answers


def _confine(limits: DecodeLimits) -> None:
    """Remove rights that decoding does not need, as far as the system supports it."""
    if resource is None:
        return
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_AS, _address_space() + limits.memory_bytes)


def _limit_time(limits: DecodeLimits) -> None:
    """Set the CPU time limit for one more picture. The parent kills sooner; this applies if it hangs or is gone."""
    if resource is not None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        _limit(resource.RLIMIT_CPU, math.ceil(used.ru_utime + used.ru_stime + limits.timeout_s) + 1)


def _limit(what: int, value: int) -> None:
    assert resource is not None
    hard = resource.getrlimit(what)[1]
    soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
    with contextlib.suppress(OSError, ValueError):  # some systems define a limit but cannot set it
        resource.setrlimit(what, (soft, hard))


def _address_space() -> int:
    """Bytes of address space in use at start, by libraries."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 2**30


if __name__ == "__main__":
    main()
