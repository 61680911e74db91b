"""One decoding process, seen from the program: started when needed, killed when late, started again when dead."""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import IO

import numpy as np

from crossmodal.errors import HTTP_STATUS, BusyError, PictureError
from crossmodal.images.decode import AGAIN, DecodeLimits
from crossmodal.images.decode_worker import ANSWER, PICTURE, READY, REQUEST
from crossmodal.images.watchdog import Watchdog
from crossmodal.items import Picture

START_TIMEOUT_S = 30.0
MAX_SERVED = 500
"""Pictures after which a process makes room for a fresh one: whatever a library may have leaked or kept goes with it."""

_ROOT = Path(__file__).resolve().parents[2]
_ENVIRONMENT = (
    *("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
    *("SYSTEMROOT", "USERPROFILE", "APPDATA", "TEMP", "TMP"),
)


class ChildDiedError(Exception):
    """The process ended, or answered nonsense, in the middle of a picture."""


class DecodeChild:
    """A decoding process. For one thread at a time, except for `kill`."""

    def __init__(self, limits: DecodeLimits, watchdog: Watchdog) -> None:
        self._limits = limits
        self._watchdog = watchdog
        self._process: subprocess.Popen[bytes] | None = None
        self._served = 0
        self._late = False

    @property
    def pid(self) -> int | None:
        """Process id while the process lives."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def decode(self, data: bytes, *, square_px: int) -> Picture:
        """Raises PictureError as `decode_picture` does, `timeout` included; ChildDiedError; BusyError when it cannot be started."""
        if self.pid is None or self._late or self._served >= MAX_SERVED:
            self._start()
        self._served += 1
        with self._watchdog.watch(self._too_late, seconds=self._limits.timeout_s):
            try:
                return self._ask(data, square_px)
            except (OSError, EOFError, ValueError) as error:
                self.stop()
                if not self._late:
                    raise ChildDiedError(str(error)) from error
        what = f"This picture took longer than {self._limits.timeout_s:g} seconds to open."
        raise PictureError("timeout", what, remedy=AGAIN)

    def kill(self) -> None:
        """End the process at once; whoever waits for its answer gets an error."""
        if self._process is not None:
            self._process.kill()

    def stop(self) -> None:
        """End the process and release what it held. It starts again with the next picture."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):  # what was not yet written has nobody to go to
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
            remedy = "Close some programs and try again; if it stays, install the packages of requirements.txt anew."
            raise BusyError("busy", "The process that opens pictures could not be started.", remedy=remedy)

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        if self._process is None or self._process.stdin is None or self._process.stdout is None:
            raise EOFError("the process was stopped")
        return self._process.stdin, self._process.stdout

    def _ask(self, data: bytes, square_px: int) -> Picture:
        requests, answers = self._pipes()
        requests.write(REQUEST.pack(square_px, len(data)))
        requests.write(data)
        requests.flush()
        kind, *numbers = ANSWER.unpack(_read(answers, ANSWER.size))
        # The process may have been taken over by the picture: its answer is checked before it is believed.
        if kind != PICTURE:
            code, message, remedy = (_read(answers, min(length, 10_000)).decode() for length in numbers[:3])
            if code not in HTTP_STATUS:
                raise ValueError("no such error code")
            raise PictureError(code, message, remedy=remedy)
        width, height, n_pixels, n_rendition, n_thumbnail = numbers
        pixels = np.empty((square_px, square_px, 3), np.uint8)
        if n_pixels != pixels.nbytes or max(n_rendition, n_thumbnail) > 4 * self._limits.max_bytes:
            raise ValueError("lengths that cannot be")
        if answers.readinto(pixels.reshape(-1).data) != n_pixels:  # type: ignore[attr-defined]  # a BufferedReader has it
            raise EOFError("the answer broke off")
        rendition = _read(answers, n_rendition)
        thumbnail = _read(answers, n_thumbnail) if n_thumbnail else rendition
        return Picture(hashlib.sha256(data).hexdigest(), width, height, pixels, rendition, thumbnail)


def _read(stream: IO[bytes], length: int) -> bytes:
    data = stream.read(length)
    if len(data) < length:
        raise EOFError("the answer broke off")
    return data
