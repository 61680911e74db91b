"""The collection's items: list, look, change, remove."""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.types import Scope

from api.deps import Services, ServicesDep, item_called, restored
from api.errors import Json, Overload, bad_request, refusal
from api.openapi import body, problems, told
from api.parameters import ONLY_KNOWN, Cursor, ItemName, Limit, WhereText, filter_of
from api.request_body import Upload, is_form, one_source, read
from api.responses import AddedMany, Attributes, Failures, ItemCreated, ItemDetails, ItemsPage, failure_of
from api.schemas import ItemChange, NewItemRequest, NewItemsRequest
from crossmodal.errors import CrossmodalError
from crossmodal.filters import Filter
from crossmodal.items import AddOutcome, Picture
from crossmodal.text.cleaning import display_text

router = APIRouter(prefix="/api", tags=["items"], dependencies=[ONLY_KNOWN])

_CHANGE = {"title": "my red mug", "attributes": {"shelf": "3"}}


@router.get("/items", response_model=ItemsPage, responses=problems(422))
async def list_items(door: ServicesDep, limit: Limit = 50, cursor: Cursor = "0", where: WhereText = None) -> Response:
    """Items, oldest first, page by page. Items added or removed meanwhile shift no page."""
    chosen = Filter.of(await door.stored(filter_of(where)))
    found = await door.run(door.app.store.items.matching_page, limit + 1, int(cursor), chosen)
    page = found[:limit]  # one more tells whether this is the last page
    after = str(page[-1].item_id) if len(found) > limit else None
    return Json(await door.written(lambda: {"items": [door.item(item) for item in page], "next_cursor": after}, rows=len(page)))


@router.get("/attributes", response_model=Attributes)
async def list_attributes(door: ServicesDep) -> Response:
    """What filters can be made of: attributes with their most frequent values."""
    found = await door.run(door.app.attribute_values)
    named = {name: [{"value": value, "count": count} for value, count in values] for name, values in found.items()}
    return Json({"attributes": named})


@router.get("/items/{item_id}", response_model=ItemDetails, responses=problems(404))
async def get_item(door: ServicesDep, item_id: ItemName) -> Response:
    """One item, by its id or by the name of its file."""
    return Json(await door.details(await door.run(item_called, door.app, item_id)))


@router.patch(
    "/items/{item_id}",
    response_model=ItemDetails,
    openapi_extra=body(ItemChange, _CHANGE),
    responses=problems(404, 415, 422, 507),
)
async def change_item(request: Request, door: ServicesDep, item_id: ItemName) -> Response:
    """Replace an item's title or attributes, or both."""
    question, _ = await read(request, ItemChange)
    item = await door.run(item_called, door.app, item_id)
    changed = await door.run(door.app.update_item, item.item_id, title=question.title, attributes=question.attributes)
    return Json(await door.details(changed))


@router.delete("/items/{item_id}", status_code=204, response_class=Response, responses=problems(404, 507))
async def delete_item(door: ServicesDep, item_id: ItemName) -> Response:
    """Take an item out of the collection. `restore` undoes it until the page or the API is started the next time."""
    item = await door.run(item_called, door.app, item_id)
    await door.run(door.app.remove_item, item.item_id)
    return Response(status_code=204)


@router.post("/items/{item_id}/restore", response_model=ItemDetails, responses=problems(404, 507))
async def restore_item(door: ServicesDep, item_id: ItemName) -> Response:
    """Bring a removed item back, by the id it had; one that is there stays as it is."""
    return Json(await door.details(await door.run(restored, door.app, item_id)))


_NAME_CHARS = 200
_AT_ONCE = 4
_SHARE_OF_TIME = 0.75
"""Of the time for an answer: what was begun then still has some to come to its end."""


class New(NamedTuple):
    """A picture to be added: a file, or the address in the question. The name is shown only."""

    name: str
    file: Upload | None
    question: NewItemRequest


async def add(door: Services, new: New) -> AddOutcome:
    """Fetch or decode, then write.

    Raises:
        CrossmodalError: as `LostFoundApp.add_new_item`.
    """
    return await _write(door, new, await _look(door, new))


async def add_all(door: Services, news: Sequence[New], scope: Scope) -> list[dict[str, Any]]:
    """An `AddedOrNot` for each, in their order. Few are under way at once, whatever comes at the same time.

    What is not fetched and decoded when the time is nearly over ends as `timeout`; what is being written by then is waited for, so that
    an answer always tells what is on the disk. A fault of the program ends the whole batch.
    """
    ends_at = asyncio.get_running_loop().time() + _SHARE_OF_TIME * door.options.request_timeout_s
    outcomes: list[dict[str, Any]] = [{}] * len(news)
    waiting = iter(enumerate(news))

    async def work() -> None:
        for place, new in waiting:
            outcomes[place] = await _outcome(door, new, ends_at, scope)

    async with asyncio.TaskGroup() as group:
        for _ in range(_AT_ONCE):
            group.create_task(work())
    return outcomes


async def _outcome(door: Services, new: New, ends_at: float, scope: Scope) -> dict[str, Any]:
    shown = display_text(new.name, max_chars=_NAME_CHARS)
    try:
        outcome = await _write(door, new, await _look_in_time(door, new, ends_at))
    except CrossmodalError as error:
        return {"name": shown, "created": False, "item": None, "error": refusal(error, scope)}
    return {"name": shown, "created": outcome.created, "item": door.item(outcome.item), "error": None}


async def _look_in_time(door: Services, new: New, ends_at: float) -> Picture:
    slots = door.batch_slots["pictures" if new.file else "addresses"]
    late = Overload(
        "timeout", "There was no time left for this picture.", remedy="It was not added: send it again, with fewer at once."
    )
    if asyncio.get_running_loop().time() >= ends_at:  # a deadline ends what waits, but something would be begun before it does
        raise late
    deadline = asyncio.timeout_at(ends_at)
    try:
        async with deadline, slots:
            return await _look(door, new)
    except TimeoutError:
        if not deadline.expired():
            raise
        raise late from None


async def _look(door: Services, new: New) -> Picture:
    return await door.look_at(new.file.data if new.file else new.question.image_url or "")


async def _write(door: Services, new: New, picture: Picture) -> AddOutcome:
    origin = new.question.source or (new.file.name if new.file else new.question.image_url or "")
    words: dict[str, Any] = {"captions": new.question.captions, "attributes": new.question.attributes}
    return await door.workers.run("adding", door.app.add_picture, picture, new.question.title, origin=origin, **words)


add_router = APIRouter(tags=["items"], dependencies=[ONLY_KNOWN])

_ADDRESSED = {"image_url": "https://shop.example/red-disc.png", "title": "my mug", "attributes": {"shelf": "3"}}
_PLACE = told("Location", "where the item is")
_ADDS: dict[str, Any] = {
    "response_model": ItemCreated,
    "openapi_extra": body(NewItemRequest, _ADDRESSED, file="image", one_of=("image_url",)),
    "responses": {
        200: {
            "model": ItemCreated,
            "description": "The same file was already in the collection; the words of the request were joined to the item's.",
            "headers": _PLACE,
        },
        201: {"headers": _PLACE},
    }
    | problems(415, 422, 502, 504, 507),
}


@add_router.post("/upload", status_code=201, **_ADDS)
async def upload(request: Request, door: ServicesDep) -> Response:
    """Add a picture; the same as `POST /api/items`."""
    return await _added(request, door)


@add_router.post("/api/items", status_code=201, **_ADDS)
async def add_item(request: Request, door: ServicesDep) -> Response:
    """Add a picture. It comes as a file or an address, with a title, captions and attributes if there are any."""
    return await _added(request, door)


@add_router.post(
    "/api/items/batch",
    response_model=AddedMany,
    openapi_extra=body(NewItemsRequest, {"items": [_ADDRESSED]}, file="images", many=True),
    responses=problems(415, 422, 507),
)
async def add_items(request: Request, door: ServicesDep) -> Response:
    """Add many pictures.

    They come as files in the fields `images`, or as addresses with their words. One that fails does not stop the others.
    What there is no time for ends as `timeout`, and is not added.
    """
    if is_form(request):
        nothing, uploads = await read(request, NewItemRequest, max_files=door.options.max_upload_files)
        if not uploads or nothing.model_fields_set:
            raise bad_request("A form with many pictures holds files in the fields images, and nothing else.")
        news = [New(file.name, file, nothing) for file in uploads]
    else:
        question, _ = await read(request, NewItemsRequest)
        news = [New(item.image_url, None, item) for item in question.items]
    outcomes = await add_all(door, news, request.scope)
    created = sum(outcome["created"] for outcome in outcomes)
    failed = sum(outcome["error"] is not None for outcome in outcomes)
    return Json({"added": created, "known": len(outcomes) - created - failed, "failed": failed, "results": outcomes})


async def _added(request: Request, door: Services) -> Response:
    question, uploads = await read(request, NewItemRequest, max_files=1)
    one_source(uploads, image_url=question.image_url)
    outcome = await add(door, New("", uploads[0] if uploads else None, question))
    place = f"{door.options.root_path}/api/items/{outcome.item.item_id}"
    answer = {"created": outcome.created, "item": door.item(outcome.item)}
    return Json(answer, status_code=201 if outcome.created else 200, headers={"Location": place})


failures_router = APIRouter(prefix="/api", tags=["jobs"], dependencies=[ONLY_KNOWN])


@failures_router.get("/failures", response_model=Failures)
async def list_failures(door: ServicesDep, limit: Limit = 50, cursor: Cursor = "0") -> Response:
    """What imports could not bring in. Each row has its reason and how often it was tried.

    One that comes in later, because it or its catalogue was mended and imported again, leaves the list.
    """
    found = await door.run(door.app.failures)
    start, end = int(cursor), int(cursor) + limit
    after = str(end) if end < len(found) else None

    def answer() -> dict[str, Any]:
        page = [failure_of(failure, paths=door.options.allow_paths) for failure in found[start:end]]
        return {"num_failures": len(found), "failures": page, "next_cursor": after}

    return Json(await door.written(answer, rows=limit))
