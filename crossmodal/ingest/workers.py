"""A thread pool with a limit per host."""

import queue
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Generic, Self, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


class PerHostPool(Generic[Job, Result]):
    """Runs `work` on jobs in threads; results are taken in order of completion.

    Used by one thread that alternates between `submit` and `take` and so bounds the pending work; workers never block on it.

    Args:
        work: called in a worker thread; its exceptions are raised by `take`.
        host_of: the host of a job; jobs of the empty host have no limit of their own.
        threads: concurrent jobs in total.
        per_lane: concurrent jobs per host.
    """

    def __init__(self, work: Callable[[Job], Result], host_of: Callable[[Job], str], *, threads: int, per_lane: int) -> None:
        self._work = work
        self._lane_of = host_of
        self._per_lane = per_lane
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="ingest")
        self._lock = threading.Lock()
        self._running: defaultdict[str, int] = defaultdict(int)
        self._waiting: defaultdict[str, deque[Job]] = defaultdict(deque)
        self._ready: queue.SimpleQueue[Result | BaseException] = queue.SimpleQueue()
        self._closed = False
        self.under_way = 0

    def submit(self, job: Job) -> None:
        """Start a job as soon as a thread and its host's limit allow."""
        self.under_way += 1
        lane = self._lane_of(job)
        with self._lock:
            if lane and self._running[lane] >= self._per_lane:
                self._waiting[lane].append(job)
                return
            self._running[lane] += 1
        self._pool.submit(self._run, lane, job)

    def take(self, *, timeout_s: float) -> Result | None:
        """The next result, or None if none was ready in time."""
        try:
            result = self._ready.get(timeout=timeout_s)
        except queue.Empty:
            return None
        self.under_way -= 1
        if isinstance(result, BaseException):
            raise result
        return result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Cancel pending jobs and wait for running ones."""
        with self._lock:
            self._closed = True
            self._waiting.clear()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self, lane: str, job: Job) -> None:
        result: Result | BaseException
        try:
            result = self._work(job)
        except BaseException as error:  # noqa: BLE001 - passed to `take`, which raises it in the caller's thread
            result = error
        self._start_next(lane)
        self._ready.put(result)

    def _start_next(self, lane: str) -> None:
        with self._lock:
            waiting = self._waiting.get(lane)
            if waiting and not self._closed:
                self._pool.submit(self._run, lane, waiting.popleft())
                return
            self._running[lane] -= 1
            if not self._running[lane]:
                del self._running[lane]
                self._waiting.pop(lane, None)
