"""Ends what takes too long: one thread for all who are being waited for."""

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator


class Watchdog:
    """Calls `on_late` for every piece of work that is not done in time. Threads may share one.

    Its thread starts with the first piece of work and sleeps until the earliest end it knows, so that work which is done in time
    costs two dictionary writes.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._ends: dict[Callable[[], None], float] = {}
        self._wakes_at = math.inf
        self._thread: threading.Thread | None = None
        self._closed = False

    @contextlib.contextmanager
    def watch(self, on_late: Callable[[], None], *, seconds: float) -> Iterator[None]:
        """Call `on_late` once, from another thread, unless the block ends within `seconds`. It must not block and not raise."""
        end = time.monotonic() + seconds
        with self._changed:
            self._ends[on_late] = end
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
                self._thread.start()
            elif end < self._wakes_at:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._ends.pop(on_late, None)

    def close(self) -> None:
        """End the thread. What is still watched is no longer."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                for on_late in [late for late, end in self._ends.items() if end <= now]:
                    del self._ends[on_late]
                    on_late()
                self._wakes_at = min(self._ends.values(), default=math.inf)
                self._changed.wait(None if math.isinf(self._wakes_at) else max(0.0, self._wakes_at - now))
