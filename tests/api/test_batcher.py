"""Concurrent queries are processed in one batch, each with its own result."""

import asyncio
import threading

import pytest

from api.batcher import TextBatcher, Workers
from crossmodal.errors import StoreError
from engine.live import LiveApp
from engine.query import Query, SearchAnswer, ValidQuery, validated
from tests.app_parts import LIMITS


def valid(text: str, **options: object) -> ValidQuery:
    return validated(Query(text, **options), LIMITS)


def searched(app: LiveApp, queries: list[ValidQuery], **options: int) -> tuple[list[object], list[int]]:
    """Results or exceptions of concurrent queries, and the sizes of their batches."""
    sizes: list[int] = []

    async def ask() -> list[object]:
        workers = Workers()
        batcher = TextBatcher(app, workers, note_size=sizes.append, **options)
        try:
            answers = await asyncio.gather(*map(batcher.search, queries), return_exceptions=True)
            return [answer.results if isinstance(answer, SearchAnswer) else answer for answer in answers]
        finally:
            workers.close()

    return asyncio.run(ask()), sizes


def test_each_gets_what_it_would_get_alone(live_app: LiveApp) -> None:
    queries = [f"{colour} {thing}" for colour in ("red", "blue", "green") for thing in ("disc", "bar")]
    answers, sizes = searched(live_app, list(map(valid, queries)))
    for query, answer in zip(queries, answers, strict=True):
        alone = live_app.search_by_text(query, 5)
        assert [result.item for result in answer] == [result.item for result in alone]
        assert [result.score for result in answer] == pytest.approx([result.score for result in alone], abs=1e-5)
    assert sizes == [6]


def test_no_batch_is_larger_than_it_may_be(live_app: LiveApp) -> None:
    answers, sizes = searched(live_app, [valid("red disc")] * 10, max_batch=4)
    assert sizes == [4, 4, 2]
    assert len({tuple(result.item.item_id for result in answer) for answer in answers}) == 1


def test_other_options_are_another_batch(live_app: LiveApp) -> None:
    wide, narrow = valid("red"), valid("red", top_k=2, where={"catalogue": "nothing"})
    answers, sizes = searched(live_app, [wide, narrow, wide, valid("blue", top_k=2, where={"catalogue": ["nothing"]})])
    assert sizes == [2, 2]
    assert [len(answer) for answer in answers] == [5, 0, 5, 0]


def test_a_fault_of_the_batch_is_everybodys_own(live_app: LiveApp, monkeypatch: pytest.MonkeyPatch) -> None:
    real = live_app.search_many

    def spoilt(queries: list[ValidQuery]) -> list[SearchAnswer]:
        if "blue" in [query.text for query in queries]:
            raise StoreError("index_corrupt", "damaged")
        return real(queries)

    monkeypatch.setattr(live_app, "search_many", spoilt)
    answers, _ = searched(live_app, [valid("red"), valid("blue"), valid("green")])
    assert [type(answer) for answer in answers] == [list, StoreError, list]


def test_who_comes_during_a_batch_is_in_the_next(live_app: LiveApp, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, release, sizes = threading.Event(), threading.Event(), list[int]()
    real = live_app.search_many

    def slow(queries: list[ValidQuery]) -> list[SearchAnswer]:
        entered.set()
        release.wait(20)
        return real(queries)

    monkeypatch.setattr(live_app, "search_many", slow)

    async def ask() -> None:
        workers = Workers()
        batcher = TextBatcher(live_app, workers, note_size=sizes.append)
        first = asyncio.create_task(batcher.search(valid("red")))
        await asyncio.to_thread(entered.wait, 20)
        others = [asyncio.create_task(batcher.search(valid("blue"))) for _ in range(3)]
        gone = asyncio.create_task(batcher.search(valid("green")))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        release.set()
        await asyncio.gather(first, *others)
        workers.close()

    asyncio.run(ask())
    assert sizes == [1, 3]


def test_nobody_waits_for_a_batch_that_was_ended(live_app: LiveApp, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, release = threading.Event(), threading.Event()

    def slow(*_: object, **__: object) -> object:
        entered.set()
        release.wait(20)
        return []

    monkeypatch.setattr(live_app, "search_many", slow)

    async def ask() -> list[object]:
        workers = Workers()
        batcher = TextBatcher(live_app, workers, note_size=lambda _: None)
        first = asyncio.create_task(batcher.search(valid("red")))
        await asyncio.to_thread(entered.wait, 20)
        others = [asyncio.create_task(batcher.search(valid("blue"))), asyncio.create_task(batcher.search(valid("blue", top_k=2)))]
        await asyncio.sleep(0)
        batcher._task.cancel()
        ended = await asyncio.wait_for(asyncio.gather(first, *others, return_exceptions=True), 10)
        release.set()
        workers.close()
        return ended

    assert [type(answer) for answer in asyncio.run(ask())] == [asyncio.CancelledError] * 3
