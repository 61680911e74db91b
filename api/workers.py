"""Threads for work that would hold up the event loop. Each kind of work has its own, so that one never waits behind another."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_THREADS = {"store": 8, "pictures": 2, "resizing": 1, "adding": 1, "addresses": 8, "texts": 1, "bodies": 1, "health": 1}


class Workers:
    """Named pools of threads.

    `store` is for the database, `pictures` for decoding and searching by pictures, `resizing` for our own pictures made smaller, `adding`
    for encoding and writing new ones (one thread: searches keep the other cores), `addresses` for whatever asks the network, `texts` for
    batches of queries, `bodies` for large JSON, `health` for what must always answer.
    """

    def __init__(self) -> None:
        self._pools = {name: ThreadPoolExecutor(threads, f"api-{name}") for name, threads in _THREADS.items()}

    async def run(self, pool: str, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The work's answer, or its exception, without holding up the event loop."""
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()
        return await loop.run_in_executor(self._pools[pool], lambda: context.run(work, *args, **kwargs))

    def close(self) -> None:
        """Let go of the threads; what they are at work on is not waited for."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
