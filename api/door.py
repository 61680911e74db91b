"""What every route holds: the app, the threads it is called in, and the batches of text queries."""

from collections.abc import Callable
from typing import Annotated, ParamSpec, TypeVar

from fastapi import Depends, Request

from api.batching import TextBatcher
from api.metrics import Metrics
from api.options import ApiOptions
from api.workers import Workers
from upkeep.live_app import LiveApp

P = ParamSpec("P")
T = TypeVar("T")


class Door:
    """One API's way to its collection. Belongs to one event loop.

    Attributes:
        app: the collection; called through `run`, never on the event loop.
        known_count: how many items a search could find when that was last asked.
    """

    def __init__(self, app: LiveApp, options: ApiOptions, metrics: Metrics) -> None:
        self.app = app
        self.options = options
        self.metrics = metrics
        self.workers = Workers()
        self.batcher = TextBatcher(app, self.workers, note_size=metrics.batch_sizes.observe)
        self.known_count = app.count()

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call what asks the database only."""
        return await self.workers.run("store", work, *args, **kwargs)

    async def run_pictures(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call what decodes or encodes pictures."""
        return await self.workers.run("pictures", work, *args, **kwargs)

    async def run_addresses(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call what may wait for the network."""
        return await self.workers.run("addresses", work, *args, **kwargs)

    def close(self) -> None:
        """Let go of the threads. The app belongs to whoever made it."""
        self.workers.close()


def _door(request: Request) -> Door:
    door: Door = request.app.state.door
    return door


TheDoor = Annotated[Door, Depends(_door)]
