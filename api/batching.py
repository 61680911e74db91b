"""Text queries that arrive together are answered together: one encoding, one pass over the index."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from api.workers import Workers
from crossmodal.errors import CrossmodalError
from crossmodal.items import SearchResult
from crossmodal.text.cleaning import clean_query
from upkeep.live_app import LiveApp

MAX_BATCH = 64

Where = Mapping[str, str | Sequence[str]]


class Terms(NamedTuple):
    """What queries must have in common to be answered in one pass. `where` is in the order of its names, with values as tuples."""

    top_k: int
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()
    min_score: float | None = None

    @classmethod
    def of(cls, top_k: int, where: Where | None, min_score: float | None) -> "Terms":
        """Terms that compare equal when they mean the same."""
        listed = ((name, (value,) if isinstance(value, str) else tuple(value)) for name, value in sorted((where or {}).items()))
        return cls(top_k, tuple(listed), min_score)


class _Waiting(NamedTuple):
    query: str
    answer: "asyncio.Future[list[SearchResult]]"


class TextBatcher:
    """Collects queries while a batch is at work and sends them off as the next one.

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
        clean_query(query, max_chars=self._app.limits.max_query_chars)  # a bad query must not spoil the batch of others
        waiting = _Waiting(query, asyncio.get_running_loop().create_future())
        self._waiting[terms].append(waiting)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())
        return await waiting.answer

    async def _work(self) -> None:
        while self._waiting:
            terms = next(iter(self._waiting))  # the terms that have waited longest
            batch = self._waiting.pop(terms)
            if len(batch) > self._max_batch:
                self._waiting[terms] = batch[self._max_batch :]
                batch = batch[: self._max_batch]
            await self._answer([waiting for waiting in batch if not waiting.answer.done()], terms)

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
