"""Text queries that arrive together are answered together: one encoding, one pass over the index."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

from api.workers import Workers
from crossmodal.errors import CrossmodalError
from crossmodal.items import SearchResult
from engine.asking import Terms, cleaned
from upkeep.live_app import LiveApp

MAX_BATCH = 64


class _Waiting(NamedTuple):
    query: str
    answer: "asyncio.Future[list[SearchResult]]"


class TextBatcher:
    """Collects queries while a batch is at work and sends them off as the next one; those of one batch have their terms in common.

    A query alone is answered at once: nothing is ever held back to wait for company, and no query waits longer than the batch before it
    and its own. Belongs to one event loop.

    Args:
        note_size: told the size of every batch.
        max_batch: most queries of one pass.
    """

    def __init__(self, app: LiveApp, workers: Workers, *, note_size: Callable[[int], object], max_batch: int = MAX_BATCH) -> None:
        self._app = app
        self._workers = workers
        self._note_size = note_size
        self._max_batch = max_batch
        self._waiting: defaultdict[Terms, list[_Waiting]] = defaultdict(list)
        self._task: asyncio.Task[None] | None = None

    async def search(self, query: str, terms: Terms) -> list[SearchResult]:
        """The results of one query.

        Raises:
            QueryError: as `LostFoundApp.search_by_text`.
        """
        cleaned(self._app.limits, query)  # a bad query must not spoil the batch of others
        waiting = _Waiting(query, asyncio.get_running_loop().create_future())
        self._waiting[terms].append(waiting)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())
        return await waiting.answer

    async def _work(self) -> None:
        batch: list[_Waiting] = []
        try:
            while self._waiting:
                terms = next(iter(self._waiting))  # the terms that have waited longest
                batch = self._waiting.pop(terms)
                if len(batch) > self._max_batch:
                    self._waiting[terms] = batch[self._max_batch :]
                    batch = batch[: self._max_batch]
                await self._answer([waiting for waiting in batch if not waiting.answer.done()], terms)
        finally:  # ended from outside, as when the server stops: nobody may be left waiting for ever
            for waiting in (*batch, *(waiting for queued in self._waiting.values() for waiting in queued)):
                waiting.answer.cancel()
            self._waiting.clear()

    async def _answer(self, batch: list[_Waiting], terms: Terms) -> None:
        if not batch:
            return
        self._note_size(len(batch))
        try:
            answers = await self._workers.run("texts", self._ask, [waiting.query for waiting in batch], terms)
        except Exception as error:  # noqa: BLE001  handed on to each who waits
            if len(batch) > 1 and isinstance(error, CrossmodalError):
                for waiting in batch:  # one by one, so that each gets its own answer
                    await self._answer([waiting], terms)
                return
            for waiting in batch:
                if not waiting.answer.done():
                    waiting.answer.set_exception(error)
            return
        for waiting, answer in zip(batch, answers, strict=True):
            if not waiting.answer.done():
                waiting.answer.set_result(answer)

    def _ask(self, queries: list[str], terms: Terms) -> list[list[SearchResult]]:
        return self._app.search_by_texts(queries, terms.top_k, where=dict(terms.where) or None, min_score=terms.min_score)
