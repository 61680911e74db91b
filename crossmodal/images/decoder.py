"""Bytes -> a picture, in processes that may die of it: what the program decodes pictures with."""

import weakref
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from crossmodal.errors import BusyError, PictureError
from crossmodal.images.decode import AGAIN, DecodeLimits, check_file_size
from crossmodal.images.decode_child import ChildDiedError, DecodeChild
from crossmodal.images.fair_pool import FairPool
from crossmodal.images.watchdog import Watchdog
from crossmodal.items import Picture

ATTEMPTS = 2
PATIENCE_S = 120.0


class Decoder:
    """Decodes pictures in processes of their own, at most `workers` at once. Threads may share one.

    A process is started with the first picture that needs it (about 0.2 s) and kept. It has limits of memory and processor time
    where the system knows such limits, is killed when a picture takes longer than `limits.timeout_s`, and ends with the program.

    Args:
        limits: what a picture may cost, and what is kept of it.
        workers: processes at most, at least 1.
        patience_s: how long a picture waits for its turn at most; far longer than any honest queue.
    """

    def __init__(self, limits: DecodeLimits, *, workers: int = 2, patience_s: float = PATIENCE_S) -> None:
        self.limits = limits
        self._patience_s = patience_s
        self._watchdog = Watchdog()
        self._children = [DecodeChild(limits, self._watchdog) for _ in range(max(1, workers))]
        self._free = FairPool(reversed(self._children))  # the last one in is the first one out: one picture at a time, one process
        self._finalizer = weakref.finalize(self, _stop, self._children, self._watchdog)

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the living processes, for whoever watches their memory."""
        return tuple(pid for child in self._children if (pid := child.pid) is not None)

    def decode(self, data: bytes, *, square_px: int) -> Picture:
        """Decode a file. Waits for its turn, first come first served.

        Args:
            square_px: side of `Picture.pixels`.

        Raises:
            PictureError: `empty_file`, `too_large`, `not_an_image`, `unsupported_format`, `image_too_large`, `image_corrupt`,
                `timeout`.
            BusyError: `busy`, no process came free or could be started.
        """
        check_file_size(data, self.limits)
        for _ in range(ATTEMPTS):
            child = self._free.take(timeout_s=self._patience_s)
            if child is None:
                raise BusyError("busy", "Too many pictures are waiting to be opened.", remedy="Try again in a minute.")
            try:
                return child.decode(data, square_px=square_px)
            except ChildDiedError:
                continue  # perhaps of something else than this picture
            finally:
                if not self._free.give(child):
                    child.stop()
        raise PictureError("image_corrupt", "This picture cannot be opened: it brings the decoder down.", remedy=AGAIN)

    def close(self) -> None:
        """End all processes. Pictures in work or waiting end as `busy`."""
        idle = self._free.close()
        for child in self._children:
            if child in idle:
                child.stop()
            else:
                child.kill()  # the thread that uses it sees to the rest
        self._watchdog.close()
        self._finalizer.detach()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _stop(children: Iterable[DecodeChild], watchdog: Watchdog) -> None:
    """For a decoder that was never closed: its last user is gone, or the program ends."""
    for child in children:
        child.stop()
    watchdog.close()
