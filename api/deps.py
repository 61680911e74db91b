"""What every route holds: the app, the threads it is called in, and the batches of text queries."""

import asyncio
import re
from collections.abc import Callable
from typing import Annotated, Any, ParamSpec, TypeVar

from fastapi import Depends, Request

from api.batcher import ItemCount, TextBatcher, Workers
from api.errors import Json
from api.metrics import Metrics
from api.redaction import shown_item, stored_where
from api.responses import Resizer, item_of, job_of, results_of
from api.schemas import Narrowed
from api.settings import ApiOptions
from crossmodal.errors import QueryError
from crossmodal.items import Item, Picture, SearchResult
from crossmodal.jobs import JobStatus
from crossmodal.store import Filter
from engine.live import LiveApp
from engine.validation import Terms, terms

P = ParamSpec("P")
T = TypeVar("T")

_FEW = 50
"""So many rows are written as JSON in less time than a thread takes to begin."""


class Services:
    """One API's way to its collection. Belongs to one event loop.

    Attributes:
        app: the collection; called through `run`, never on the event loop.
        count: how many items a search can find.
        batch_slots: places for additions of batches, all batches together: beside them there is always a thread for somebody else's search.
    """

    def __init__(self, app: LiveApp, options: ApiOptions, metrics: Metrics) -> None:
        self.app = app
        self.options = options
        self.metrics = metrics
        self.workers = Workers()
        self.batcher = TextBatcher(app, self.workers, note_size=metrics.batch_sizes.observe)
        self.resizer = Resizer()
        self.count = ItemCount(app, self.workers)
        self.batch_slots = {"addresses": asyncio.Semaphore(4), "pictures": asyncio.Semaphore(1)}

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call what asks the database only."""
        return await self.workers.run("store", work, *args, **kwargs)

    async def run_pictures(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call what decodes or encodes pictures."""
        return await self.workers.run("pictures", work, *args, **kwargs)

    async def run_addresses(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call what may wait for the network."""
        return await self.workers.run("addresses", work, *args, **kwargs)

    async def look_at(self, image: bytes | str) -> Picture:
        """A file, or what lies at an address, decoded. What waits for the network does not keep the threads that encode.

        Raises:
            AddressError, FetchError, PictureError: there is no picture.
        """
        run = self.run_addresses if isinstance(image, str) else self.run_pictures
        return await run(self.app.look_at, image)

    async def stored(self, where: Filter | None) -> Filter | None:
        """A client's filter as the store understands it. Raises QueryError `bad_request`."""
        return where if self.options.allow_paths or not where else await self.run(stored_where, self.app, where)

    async def terms(self, narrowed: Narrowed) -> Terms:
        """What a search is to answer, looked over. Raises QueryError `bad_request`, also for more results than this app gives."""
        return terms(self.app.limits, narrowed.top_k, await self.stored(narrowed.where), narrowed.min_score)

    def item(self, item: Item) -> dict[str, Any]:
        """An `ItemAnswer`."""
        return item_of(item, paths=self.options.allow_paths)

    def job(self, status: JobStatus) -> dict[str, Any]:
        """A `Job`."""
        return job_of(status, paths=self.options.allow_paths)

    def shown(self, item: Item) -> Item:
        """An item as the clients of this API may see it."""
        return item if self.options.allow_paths else shown_item(item)

    async def results(self, results: list[SearchResult]) -> bytes:
        """`Results` as JSON."""
        return await self.written(lambda: results_of(results, paths=self.options.allow_paths), rows=len(results))

    async def written(self, answer: Callable[[], Any], *, rows: int) -> bytes:
        """An answer as JSON; one of many rows is put together in a thread, where it does not hold up the event loop."""
        if rows <= _FEW:
            return Json.bytes_of(answer())
        return await self.run(lambda: Json.bytes_of(answer()))

    def close(self) -> None:
        """Let go of the threads. The app belongs to whoever made it."""
        self.workers.close()


def _door(request: Request) -> Services:
    door: Services = request.app.state.door
    return door


ServicesDep = Annotated[Services, Depends(_door)]


_ID = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


def item_called(app: LiveApp, name: str) -> Item:
    """The item with this id, or the only one whose source ends in this file name.

    Raises:
        QueryError: `not_found`, also for a name that several items share.
    """
    if _ID.fullmatch(name):
        return app.item(int(name))
    found = app.store.items.by_file_name(name, limit=2)
    if len(found) == 1:
        return found[0]
    if found:
        what = f"Several items come from a file named {name!r:.60}."
        raise QueryError("not_found", what, remedy="Name the one you mean by its id.")
    raise QueryError("not_found", f"There is no picture {name!r:.60} in the collection.", remedy="It may have been removed.")


def restored(app: LiveApp, name: str) -> Item:
    """A removed item, brought back, by its id; one that is there already stays as it is, by whichever name.

    Raises:
        QueryError: `not_found`.
    """
    return app.restore_item(int(name)) if _ID.fullmatch(name) else item_called(app, name)


def item_at(app: LiveApp, place: int) -> Item:
    """The item at a place of the list of all items, oldest first, from 0. Raises QueryError `not_found`."""
    found = app.store.items.at(place)
    if found is None:
        raise QueryError("not_found", f"There is no picture at place {place} of the collection.", remedy="Name it by its id.")
    return found
