"""Decode untrusted bytes to pictures in child processes, which are killed when they exceed their limits."""

import contextlib
import hashlib
import json
import os
import queue
import subprocess
import sys
import threading
import weakref
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO, Generic, Self, TypeVar

import numpy as np

from crossmodal.errors import HTTP_STATUS, BusyError, PictureError
from crossmodal.images.decode import AGAIN, DecodeLimits, check_file_size
from crossmodal.images.decode_worker import ANSWER, PICTURE, READY, REQUEST
from crossmodal.images.public_address import Watchdog
from crossmodal.items import FITS, Fit, Picture

START_TIMEOUT_S = 30.0
MAX_SERVED = 500
"""Pictures after which a process is replaced, to release whatever its libraries leaked."""

_ROOT = Path(__file__).resolve().parents[2]
_ENVIRONMENT = (
    *("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
    *("SYSTEMROOT", "USERPROFILE", "APPDATA", "TEMP", "TMP"),
)


class ChildDiedError(Exception):
    """The process ended, or sent an invalid response, while decoding a picture."""


class DecodeChild:
    """A decoding process. Not thread-safe, except for `kill`."""

    def __init__(self, limits: DecodeLimits, watchdog: Watchdog) -> None:
        self._limits = limits
        self._watchdog = watchdog
        self._process: subprocess.Popen[bytes] | None = None
        self._served = 0
        self._late = False

    @property
    def pid(self) -> int | None:
        """Process id, or None while no process is running."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def decode(self, data: bytes, *, square_px: int, fit: Fit = "crop") -> Picture:
        """Decode one picture.

        Raises:
            PictureError: as `decode_picture`, including `timeout`.
            ChildDiedError: the process ended or sent an invalid response.
            BusyError: the process cannot be started.
        """
        if self.pid is None or self._late or self._served >= MAX_SERVED:
            self._start()
        self._served += 1
        with self._watchdog.watch(self._too_late, seconds=self._limits.timeout_s):
            try:
                return self._ask(data, square_px, fit)
            except (OSError, EOFError, ValueError) as error:
                self.stop()
                if not self._late:
                    raise ChildDiedError(str(error)) from error
        what = f"This picture took longer than {self._limits.timeout_s:g} seconds to open."
        raise PictureError("timeout", what, remedy=AGAIN)

    def kill(self) -> None:
        """Kill the process; a thread that waits for its response gets an error."""
        if self._process is not None:
            self._process.kill()

    def stop(self) -> None:
        """Kill the process and release its resources. The next picture starts a new one."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):  # unwritten data has no reader
                assert pipe is not None
                pipe.close()

    def _too_late(self) -> None:
        self._late = True
        self.kill()

    def _start(self) -> None:
        self.stop()
        self._served, self._late = 0, False
        command = [sys.executable, "-P", "-m", "crossmodal.images.decode_worker", json.dumps(asdict(self._limits))]
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment | {"PYTHONPATH": os.pathsep.join(paths)},
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
            with self._watchdog.watch(self._too_late, seconds=START_TIMEOUT_S):
                started = self._pipes()[1].read(len(READY)) == READY
        except OSError:
            started = False
        if not started:
            self.stop()
            remedy = "Close some programs and try again; if that does not help, reinstall the program's packages."
            raise BusyError("busy", "The process that opens pictures could not be started.", remedy=remedy)

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        if self._process is None or self._process.stdin is None or self._process.stdout is None:
            raise EOFError("the process was stopped")
        return self._process.stdin, self._process.stdout

    def _ask(self, data: bytes, square_px: int, fit: Fit) -> Picture:
        requests, answers = self._pipes()
        requests.write(REQUEST.pack(square_px, FITS.index(fit), len(data)))
        requests.write(data)
        requests.flush()
        kind, *numbers = ANSWER.unpack(_read(answers, ANSWER.size))
        # The picture may have compromised the process, so its response is validated.
        if kind != PICTURE:
            code, message, remedy = (_read(answers, min(length, 10_000)).decode() for length in numbers[:3])
            if code not in HTTP_STATUS:
                raise ValueError("unknown error code")
            raise PictureError(code, message, remedy=remedy)
        width, height, n_pixels, n_rendition, n_thumbnail = numbers
        pixels = np.empty((square_px, square_px, 3), np.uint8)
        if n_pixels != pixels.nbytes or max(n_rendition, n_thumbnail) > 4 * self._limits.max_bytes:
            raise ValueError("invalid lengths")
        if answers.readinto(pixels.reshape(-1).data) != n_pixels:  # type: ignore[attr-defined]  # a BufferedReader has it
            raise EOFError("the response was cut off")
        rendition = _read(answers, n_rendition)
        thumbnail = _read(answers, n_thumbnail) if n_thumbnail else rendition
        return Picture(hashlib.sha256(data).hexdigest(), width, height, pixels, rendition, thumbnail, fit)


def _read(stream: IO[bytes], length: int) -> bytes:
    data = stream.read(length)
    if len(data) < length:
        raise EOFError("the response was cut off")
    return data


T = TypeVar("T")


class FifoPool(Generic[T]):
    """A pool of objects, each lent to one thread at a time. A returned object goes to the thread that has waited longest.

    `threading.Semaphore` and `queue.Queue` let a new thread overtake waiting ones, which can starve them under load.
    """

    def __init__(self, things: Iterable[T]) -> None:
        self._lock = threading.Lock()
        self._idle = list(things)
        self._waiting: deque[queue.SimpleQueue[T | None]] = deque()
        self._closed = False

    def take(self, *, timeout_s: float) -> T | None:
        """Take an object, to be returned with `give`. None if the pool is closed or nothing became free in time."""
        with self._lock:
            if self._closed:
                return None
            if self._idle:
                return self._idle.pop()
            place: queue.SimpleQueue[T | None] = queue.SimpleQueue()
            self._waiting.append(place)
        try:
            return place.get(timeout=timeout_s)
        except queue.Empty:
            with self._lock:
                if place in self._waiting:
                    self._waiting.remove(place)
                    return None
            return place.get()  # it was handed over at this very moment

    def give(self, thing: T) -> bool:
        """Return an object. False if the pool is closed; the caller then keeps the object."""
        with self._lock:
            if self._closed:
                return False
            if self._waiting:
                self._waiting.popleft().put(thing)
            else:
                self._idle.append(thing)
            return True

    def close(self) -> list[T]:
        """Close the pool; waiting threads get None. Returns the idle objects."""
        with self._lock:
            self._closed = True
            while self._waiting:
                self._waiting.popleft().put(None)
            idle, self._idle = self._idle, []
            return idle


ATTEMPTS = 2
PATIENCE_S = 120.0


class Decoder:
    """Decodes pictures in child processes, at most `workers` at once. Thread-safe.

    A process is started for the first picture that needs it (about 0.2 s) and kept. It has memory and CPU limits where the system
    supports them, is killed when a picture takes longer than `limits.timeout_s`, and ends with the program.

    Args:
        limits: resource limits per picture, and the sizes kept of it.
        workers: maximum number of processes, at least 1.
        patience_s: maximum wait of a picture for a free process.
    """

    def __init__(self, limits: DecodeLimits, *, workers: int = 2, patience_s: float = PATIENCE_S) -> None:
        self.limits = limits
        self._patience_s = patience_s
        self._watchdog = Watchdog()
        self._children = [DecodeChild(limits, self._watchdog) for _ in range(max(1, workers))]
        self._free = FifoPool(reversed(self._children))  # last in, first out: sequential pictures use one process
        self._finalizer = weakref.finalize(self, _stop, self._children, self._watchdog)

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the running processes, for monitoring their memory."""
        return tuple(pid for child in self._children if (pid := child.pid) is not None)

    def decode(self, data: bytes, *, square_px: int, fit: Fit = "crop") -> Picture:
        """Decode a file. Waits for a free process, first come, first served.

        Args:
            square_px, fit: side of `Picture.pixels`, and how they are made.

        Raises:
            PictureError: `empty_file`, `too_large`, `not_an_image`, `unsupported_format`, `image_too_large`, `image_corrupt`,
                `timeout`.
            BusyError: `busy`: no process became free or could be started.
        """
        check_file_size(data, self.limits)
        for _ in range(ATTEMPTS):
            child = self._free.take(timeout_s=self._patience_s)
            if child is None:
                raise BusyError("busy", "Too many pictures are waiting to be opened.", remedy="Try again in a minute.")
            try:
                return child.decode(data, square_px=square_px, fit=fit)
            except ChildDiedError:
                continue  # the picture may not be the cause
            finally:
                if not self._free.give(child):
                    child.stop()
        raise PictureError("image_corrupt", "This picture cannot be opened: it crashes the decoder.", remedy=AGAIN)

    def close(self) -> None:
        """Stop all processes. Pictures being decoded or waiting fail with `busy`."""
        idle = self._free.close()
        for child in self._children:
            if child in idle:
                child.stop()
            else:
                child.kill()  # the thread that uses it cleans up
        self._watchdog.close()
        self._finalizer.detach()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _stop(children: Iterable[DecodeChild], watchdog: Watchdog) -> None:
    """Finalizer for a decoder that was never closed."""
    for child in children:
        child.stop()
    watchdog.close()
