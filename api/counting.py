"""How many items a search can find, for those who must never wait for the answer."""

import asyncio
import logging

from api.workers import Workers
from upkeep.live_app import LiveApp

log = logging.getLogger(__name__)


class ItemCount:
    """The number as it was last counted; one counting is under way at most. Belongs to one event loop."""

    def __init__(self, app: LiveApp, workers: Workers) -> None:
        self._app = app
        self._workers = workers
        self._counting: asyncio.Future[int] | None = None
        self._failed = ""
        self.known = app.count()

    async def refreshed(self, within_s: float) -> int:
        """The number, counted anew if that takes no longer; else the last known one, and the counting goes on for the next who asks."""
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
        elif self._failed != str(error):  # whoever watches asks many times a minute: the log is told once
            self._failed = str(error)
            log.error("the items cannot be counted: %s", error)
