"""The services that routes depend on: the app, its threads, and the batching of text queries."""

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any, ParamSpec, TypeVar

from fastapi import Depends, Request

from api.batcher import ItemCount, TextBatcher, Workers
from api.errors import Json
from api.metrics import Metrics
from api.redaction import shown_item, stored_where
from api.responses import Resizer, details_of, item_of, job_of, results_of
from api.schemas import PagedSearchOptions, SearchOptions
from api.settings import ApiOptions
from crossmodal.errors import QueryError
from crossmodal.filters import Where
from crossmodal.items import Item, Picture
from crossmodal.jobs import JobStatus
from engine.live import LiveApp
from engine.query import Query, SearchAnswer, ValidQuery, validated

P = ParamSpec("P")
T = TypeVar("T")

_FEW = 50
"""Up to so many rows, serializing costs less than passing them to a thread."""


class Services:
    """Access of one API to its collection. Belongs to one event loop.

    Attributes:
        app: called through `run`, never on the event loop.
        count: the number of items.
        batch_slots: limits of pictures of batches that are read at once, so that a thread is left for searches.
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
        """Run work that uses only the database."""
        return await self.workers.run("store", work, *args, **kwargs)

    async def run_pictures(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run work that decodes or encodes pictures."""
        return await self.workers.run("pictures", work, *args, **kwargs)

    async def run_addresses(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run work that may wait for the network."""
        return await self.workers.run("addresses", work, *args, **kwargs)

    async def look_at(self, image: bytes | str) -> Picture:
        """Decode a file or the picture behind a URL. Waiting for the network does not block the encoding threads.

        Raises:
            AddressError, FetchError, PictureError: there is no picture.
        """
        run = self.run_addresses if isinstance(image, str) else self.run_pictures
        return await run(self.app.look_at, image)

    async def stored(self, where: Where | None) -> Where | None:
        """Translate a client's filter to the store's. Raises QueryError `bad_request`."""
        return where if self.options.allow_paths or not where else await self.run(stored_where, self.app, where)

    async def query(
        self,
        options: SearchOptions,
        *,
        text: str | None = None,
        image: bytes | str | None = None,
        item_id: int | None = None,
        weight: float = 0.5,
    ) -> ValidQuery:
        """A client's query. Raises QueryError `text_empty`, `text_too_long`, `bad_request`."""
        query = Query(text, image, item_id, weight, await self.stored(options.where))
        return validated(_with_options(query, options), self.app.limits)

    async def queries(self, options: SearchOptions, texts: Sequence[str]) -> list[ValidQuery]:
        """The queries of a batch. Raises QueryError as `query`, naming the position of the first invalid one."""
        query = _with_options(Query(where=await self.stored(options.where)), options)

        def valid() -> Iterator[ValidQuery]:
            for place, text in enumerate(texts):
                try:
                    yield validated(replace(query, text=text), self.app.limits)
                except QueryError as error:
                    raise QueryError(error.code, f"queries.{place}: {error.message}", remedy=error.remedy) from None

        return await self.run(lambda: list(valid()))

    async def search(self, query: ValidQuery) -> SearchAnswer:
        """Search. Queries by text alone are batched with others that arrive at the same time.

        Raises:
            CrossmodalError: as `LostFoundApp.search`.
        """
        if isinstance(query.image, bytes | str):
            query = replace(query, image=await self.look_at(query.image))
        if query.image is None and query.item_id is None:
            return await self.batcher.search(query)
        run = self.run if query.image is None and query.text is None else self.run_pictures
        return await run(self.app.search, query)

    def item(self, item: Item) -> dict[str, Any]:
        """An `ItemAnswer`."""
        return item_of(item, self.options)

    async def details(self, item: Item) -> dict[str, Any]:
        """An `ItemDetails`."""
        return details_of(item, await self.run(self.app.item_sources, item.item_id), self.options)

    def job(self, status: JobStatus) -> dict[str, Any]:
        """A `Job`."""
        return job_of(status, paths=self.options.allow_paths)

    def shown(self, item: Item) -> Item:
        """An item as clients of this API may see it."""
        return item if self.options.allow_paths else shown_item(item)

    async def results(self, query: ValidQuery) -> bytes:
        """The `Results` of a query as JSON. Raises as `search`."""
        answer = await self.search(query)
        note = None
        if query.where and not answer.results:
            note = await self.run(self.app.why_nothing, query.where) or None
        rows = len(answer.results) + len(answer.hidden)
        return await self.written(lambda: results_of(answer, self.options, note=note), rows=rows)

    async def written(self, answer: Callable[[], Any], *, rows: int) -> bytes:
        """Serialize an answer as JSON; one of many rows in a thread, where it does not block the event loop."""
        if rows <= _FEW:
            return Json.bytes_of(answer())
        return await self.run(lambda: Json.bytes_of(answer()))

    def close(self) -> None:
        """Stop the threads. The app itself is closed by its creator."""
        self.workers.close()


def _with_options(query: Query, options: SearchOptions) -> Query:
    return replace(
        query,
        min_score=options.min_score,
        signal=options.signal,
        top_k=options.top_k,
        offset=options.offset if isinstance(options, PagedSearchOptions) else 0,
        include_self=isinstance(options, PagedSearchOptions) and options.include_self,
        collapse_duplicates=options.collapse_duplicates,
    )


async def _services(request: Request) -> Services:  # async: FastAPI runs plain functions in a thread, 1 ms a request
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(_services)]


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
    """Restore a removed item by its id; an item that is not removed stays as it is.

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
