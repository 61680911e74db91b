"""A few things that many threads share: first come, first served."""

import queue
import threading
from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


class FairPool(Generic[Thing]):
    """Hands things out to one thread each. A thing given back goes straight to whoever waited longest.

    `threading.Semaphore` and `queue.Queue` let a newcomer overtake those who wait; under load somebody then waits for ever.
    """

    def __init__(self, things: Iterable[Thing]) -> None:
        self._lock = threading.Lock()
        self._idle = list(things)
        self._waiting: deque[queue.SimpleQueue[Thing | None]] = deque()
        self._closed = False

    def take(self, *, timeout_s: float) -> Thing | None:
        """A thing, to be given back. None when the pool is closed or none came free in time."""
        with self._lock:
            if self._closed:
                return None
            if self._idle:
                return self._idle.pop()
            place: queue.SimpleQueue[Thing | None] = queue.SimpleQueue()
            self._waiting.append(place)
        try:
            return place.get(timeout=timeout_s)
        except queue.Empty:
            with self._lock:
                if place in self._waiting:
                    self._waiting.remove(place)
                    return None
            return place.get()  # it came in this very moment

    def give(self, thing: Thing) -> bool:
        """Give a thing back. False when the pool is closed and the thing stays with the caller."""
        with self._lock:
            if self._closed:
                return False
            if self._waiting:
                self._waiting.popleft().put(thing)
            else:
                self._idle.append(thing)
            return True

    def close(self) -> list[Thing]:
        """Hand out nothing more; whoever waits gets None. Returns the idle things."""
        with self._lock:
            self._closed = True
            while self._waiting:
                self._waiting.popleft().put(None)
            idle, self._idle = self._idle, []
            return idle
