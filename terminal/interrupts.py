"""Ctrl-C as a wish: the first one asks the work to stop at its next good moment, the second one ends the program."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from terminal import output


@contextmanager
def stop_on_interrupt(
    what: str = "Stopping; what was done so far is kept. Press Ctrl-C again to end at once.",
) -> Iterator[threading.Event]:
    """An event that is set by the first Ctrl-C (or SIGTERM) inside the block; outside the main thread nothing sets it.

    Args:
        what: said when that happens.
    """
    stop = threading.Event()

    def heard(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        output.note(f"\n{what}")

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    former = {number: signal.signal(number, heard) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
