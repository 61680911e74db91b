"""Batching of concurrent text queries: one encoding and one pass over the index for all of them."""

import asyncio
import contextvars
import logging
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple, ParamSpec, TypeVar

from crossmodal.errors import CrossmodalError
from engine.live import LiveApp
from engine.query import SearchAnswer, ValidQuery

P = ParamSpec("P")
T = TypeVar("T")

_THREADS = {"store": 8, "pictures": 2, "resizing": 1, "adding": 1, "addresses": 8, "texts": 1, "bodies": 1, "health": 1}


class Workers:
    """Named pools of threads.

    `store` is for the database, `pictures` for decoding and searching by pictures, `resizing` for thumbnails, `adding` for encoding and
    writing new pictures (one thread: searches keep the other cores), `addresses` for the network, `texts` for batches of queries, `bodies`
    for large JSON, `health` for what must always respond. Executors rather than anyio's limiter: their bound also counts work whose request
    has ended, such as a picture that takes too long to decode.
    """

    def __init__(self) -> None:
        self._pools = {name: ThreadPoolExecutor(threads, f"api-{name}") for name, threads in _THREADS.items()}

    async def run(self, pool: str, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return the result of `work`, or raise its exception, without blocking the event loop."""
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()
        return await loop.run_in_executor(self._pools[pool], lambda: context.run(work, *args, **kwargs))

    def close(self) -> None:
        """Stop the threads without waiting for work under way."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)


MAX_BATCH = 64


class _Waiting(NamedTuple):
    query: ValidQuery
    answer: "asyncio.Future[SearchAnswer]"


class TextBatcher:
    """Collects text queries while a batch is processed, and processes them as the next batch; its queries differ only in their text.

    A single query is processed at once: none is delayed to fill a batch. Belongs to one event loop.

    Args:
        note_size: called with the size of every batch.
        max_batch: largest number of queries of one batch.
    """

    def __init__(self, app: LiveApp, workers: Workers, *, note_size: Callable[[int], object], max_batch: int = MAX_BATCH) -> None:
        self._app = app
        self._workers = workers
        self._note_size = note_size
        self._max_batch = max_batch
        self._waiting: defaultdict[ValidQuery, list[_Waiting]] = defaultdict(list)
        self._task: asyncio.Task[None] | None = None

    async def search(self, query: ValidQuery) -> SearchAnswer:
        """Search by text alone.

        Raises:
            CrossmodalError: as `LostFoundApp.search`.
        """
        waiting = _Waiting(query, asyncio.get_running_loop().create_future())
        self._waiting[replace(query, text=None, where=None)].append(waiting)  # the filter stays, parsed, in `chosen`
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())
        return await waiting.answer

    async def _work(self) -> None:
        batch: list[_Waiting] = []
        try:
            while self._waiting:
                kind = next(iter(self._waiting))  # the oldest
                batch = self._waiting.pop(kind)
                if len(batch) > self._max_batch:
                    self._waiting[kind] = batch[self._max_batch :]
                    batch = batch[: self._max_batch]
                await self._answer([waiting for waiting in batch if not waiting.answer.done()])
        finally:  # cancelled, as when the server stops: release all waiting requests
            for waiting in (*batch, *(waiting for queued in self._waiting.values() for waiting in queued)):
                waiting.answer.cancel()
            self._waiting.clear()

    async def _answer(self, batch: list[_Waiting]) -> None:
        if not batch:
            return
        self._note_size(len(batch))
        try:
            answers = await self._workers.run("texts", self._app.search_many, [waiting.query for waiting in batch])
        except Exception as error:  # noqa: BLE001  raised in each waiting request
            if len(batch) > 1 and isinstance(error, CrossmodalError):
                for waiting in batch:  # one by one, so that only the failing query fails
                    await self._answer([waiting])
                return
            for waiting in batch:
                if not waiting.answer.done():
                    waiting.answer.set_exception(error)
            return
        for waiting, answer in zip(batch, answers, strict=True):
            if not waiting.answer.done():
                waiting.answer.set_result(answer)


log = logging.getLogger(__name__)


class ItemCount:
    """The number of items as last counted; at most one count runs at a time. Belongs to one event loop."""

    def __init__(self, app: LiveApp, workers: Workers) -> None:
        self._app = app
        self._workers = workers
        self._counting: asyncio.Future[int] | None = None
        self._failed = ""
        self.known = app.count()

    async def refreshed(self, within_s: float) -> int:
        """The current number if counting takes at most `within_s`; otherwise the last known one, while counting continues."""
        if self._counting is None or self._counting.done():
            self._counting = asyncio.ensure_future(self._workers.run("health", self._app.count))
            self._counting.add_done_callback(self._counted)
        await asyncio.wait([self._counting], timeout=within_s)
        return self.known

    def _counted(self, counting: "asyncio.Future[int]") -> None:
        if counting.cancelled():
            return
        error = counting.exception()
        if error is None:
            self.known, self._failed = counting.result(), ""
        elif self._failed != str(error):  # monitoring calls this many times a minute: log it once
            self._failed = str(error)
            log.error("the items cannot be counted: %s", error)
