"""Items: list, get, add, change, remove."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Form, Request
from starlette.responses import Response
from starlette.types import Scope

from api.deps import Services, ServicesDep, item_called, restored
from api.errors import Json, Overload, bad_request, refusal
from api.openapi import problems, told
from api.parameters import ONLY_KNOWN, Cursor, ItemName, Limit, WhereText, filter_of
from api.request_body import MANY_FILES, MULTIPART, ONE_FILE, FormRoute, JsonRoute, from_form
from api.responses import AddedMany, Attributes, Failures, ItemCreated, ItemDetails, ItemsPage, failure_of
from api.schemas import ItemChange, NewItemRequest, NewItemsForm, NewItemsRequest, PictureForm, examples
from crossmodal.errors import CrossmodalError
from crossmodal.filters import Filter
from crossmodal.items import AddOutcome, Picture
from crossmodal.text.cleaning import display_text

router = APIRouter(prefix="/api", tags=["items"], dependencies=[ONLY_KNOWN], route_class=JsonRoute)

_CHANGE = {"title": "my red mug", "attributes": {"shelf": "3"}}


@router.get("/items", response_model=ItemsPage, responses=problems(422))
async def list_items(services: ServicesDep, limit: Limit = 50, cursor: Cursor = "0", where: WhereText = None) -> Response:
    """List items, oldest first, in pages. Items added or removed meanwhile do not shift pages."""
    chosen = Filter.of(await services.stored(filter_of(where)))
    found = await services.run(services.app.store.items.matching_page, limit + 1, int(cursor), chosen)
    page = found[:limit]  # one more tells whether this is the last page
    after = str(page[-1].item_id) if len(found) > limit else None
    return Json(
        await services.written(lambda: {"items": [services.item(item) for item in page], "next_cursor": after}, rows=len(page))
    )


@router.get("/attributes", response_model=Attributes)
async def list_attributes(services: ServicesDep) -> Response:
    """List attributes with their most frequent values, for filters."""
    found = await services.run(services.app.attribute_values)
    named = {name: [{"value": value, "count": count} for value, count in values] for name, values in found.items()}
    return Json({"attributes": named})


@router.get("/items/{item_id}", response_model=ItemDetails, responses=problems(404))
async def get_item(services: ServicesDep, item_id: ItemName) -> Response:
    """Get an item by its id or the name of its file."""
    return Json(await services.details(await services.run(item_called, services.app, item_id)))


@router.patch("/items/{item_id}", response_model=ItemDetails, responses=problems(404, 415, 422, 507))
async def change_item(services: ServicesDep, item_id: ItemName, question: Annotated[ItemChange, examples(_CHANGE)]) -> Response:
    """Replace an item's title or attributes, or both."""
    item = await services.run(item_called, services.app, item_id)
    changed = await services.run(services.app.update_item, item.item_id, title=question.title, attributes=question.attributes)
    return Json(await services.details(changed))


@router.delete("/items/{item_id}", status_code=204, response_class=Response, responses=problems(404, 507))
async def delete_item(services: ServicesDep, item_id: ItemName) -> Response:
    """Remove an item from the collection. `restore` undoes it until the app or the API is next started."""
    item = await services.run(item_called, services.app, item_id)
    await services.run(services.app.remove_item, item.item_id)
    return Response(status_code=204)


@router.post("/items/{item_id}/restore", response_model=ItemDetails, responses=problems(404, 507))
async def restore_item(services: ServicesDep, item_id: ItemName) -> Response:
    """Restore a removed item by its id; an item that is not removed stays as it is."""
    return Json(await services.details(await services.run(restored, services.app, item_id)))


_NAME_CHARS = 200
_AT_ONCE = 4
_SHARE_OF_TIME = 0.75
"""Share of the request timeout after which no picture is started, so that those under way can finish."""


class New(NamedTuple):
    """A picture to be added: the bytes of a file, or a URL. The name is shown, never used as a path."""

    name: str
    image: bytes | str
    words: NewItemRequest


async def add(services: Services, new: New) -> AddOutcome:
    """Fetch or decode, then write.

    Raises:
        CrossmodalError: as `LostFoundApp.add_new_item`.
    """
    return await _write(services, new, await services.look_at(new.image))


async def add_all(services: Services, news: Sequence[New], scope: Scope) -> list[dict[str, Any]]:
    """An `AddedOrNot` for each, in order; few at a time.

    Pictures not fetched and decoded when the time is nearly over get `timeout`; those being written are waited for, so that the response
    always states what is stored. An internal error ends the whole batch.
    """
    ends_at = asyncio.get_running_loop().time() + _SHARE_OF_TIME * services.options.request_timeout_s
    outcomes: list[dict[str, Any]] = [{}] * len(news)
    waiting = iter(enumerate(news))

    async def work() -> None:
        for place, new in waiting:
            outcomes[place] = await _outcome(services, new, ends_at, scope)

    async with asyncio.TaskGroup() as group:
        for _ in range(_AT_ONCE):
            group.create_task(work())
    return outcomes


async def _outcome(services: Services, new: New, ends_at: float, scope: Scope) -> dict[str, Any]:
    shown = display_text(new.name, max_chars=_NAME_CHARS)
    try:
        outcome = await _write(services, new, await _look_in_time(services, new, ends_at))
    except CrossmodalError as error:
        return {"name": shown, "created": False, "item": None, "error": refusal(error, scope)}
    return {"name": shown, "created": outcome.created, "item": services.item(outcome.item), "error": None}


async def _look_in_time(services: Services, new: New, ends_at: float) -> Picture:
    slots = services.batch_slots["pictures" if isinstance(new.image, bytes) else "addresses"]
    late = Overload(
        "timeout", "There was no time left for this picture.", remedy="It was not added: send it again, with fewer at once."
    )
    if asyncio.get_running_loop().time() >= ends_at:  # asyncio.timeout_at ends only what waits: something would be started first
        raise late
    deadline = asyncio.timeout_at(ends_at)
    try:
        async with deadline, slots:
            return await services.look_at(new.image)
    except TimeoutError:
        if not deadline.expired():
            raise
        raise late from None


async def _write(services: Services, new: New, picture: Picture) -> AddOutcome:
    origin = new.words.source or new.name
    words: dict[str, Any] = {"captions": new.words.captions, "attributes": new.words.attributes}
    return await services.workers.run("adding", services.app.add_picture, picture, new.words.title, origin=origin, **words)


add_router = APIRouter(tags=["items"], dependencies=[ONLY_KNOWN], route_class=JsonRoute)

_ADDRESSED = {"image_url": "https://shop.example/red-disc.png", "title": "my mug", "attributes": {"shelf": "3"}}
_PLACE = told("Location", "path of the item")
_ADDS: dict[str, Any] = {
    "response_model": ItemCreated,
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
async def upload(services: ServicesDep, question: Annotated[NewItemRequest, examples(_ADDRESSED)]) -> Response:
    """Add a picture; the same as `POST /api/items`."""
    return await add_item(services, question)


@add_router.post("/api/items", status_code=201, **_ADDS)
async def add_item(services: ServicesDep, question: Annotated[NewItemRequest, examples(_ADDRESSED)]) -> Response:
    """Add a picture. It is sent as a file or named by a URL, optionally with a title, captions and attributes."""
    question.check_one_picture()
    outcome = await add(services, await _new(question))
    place = f"{services.options.root_path}/api/items/{outcome.item.item_id}"
    answer = {"created": outcome.created, "item": services.item(outcome.item)}
    return Json(answer, status_code=201 if outcome.created else 200, headers={"Location": place})


@add_router.post("/api/items/batch", response_model=AddedMany, responses=problems(415, 422, 507))
async def add_items(
    request: Request, services: ServicesDep, question: Annotated[NewItemsRequest, examples({"items": [_ADDRESSED]})]
) -> Response:
    """Add many pictures.

    They are sent as files in the fields `images`, or as URLs with their texts. One that fails does not stop the others.
    Those not processed in time get `timeout` and are not added.
    """
    return await _added(request, services, [await _new(item) for item in question.items])


forms = APIRouter(dependencies=[ONLY_KNOWN], route_class=FormRoute)
forms.patch("/api/items/{item_id}", include_in_schema=False)(from_form(change_item))
for path in ("/upload", "/api/items"):
    forms.post(path, form_limits=ONE_FILE)(from_form(add_item, PictureForm))


@forms.post("/api/items/batch", form_limits=MANY_FILES)
async def add_files(
    request: Request, services: ServicesDep, question: Annotated[NewItemsForm, Form(media_type=MULTIPART)]
) -> Response:
    """See `add_items`."""
    if not question.images or question.model_extra:
        raise bad_request("A form with many pictures holds files in the fields images, and nothing else.")
    nothing = NewItemRequest()
    return await _added(request, services, [New(file.filename or "", await file.read(), nothing) for file in question.images])


async def _added(request: Request, services: Services, news: Sequence[New]) -> Response:
    outcomes = await add_all(services, news, request.scope)
    created = sum(outcome["created"] for outcome in outcomes)
    failed = sum(outcome["error"] is not None for outcome in outcomes)
    return Json({"added": created, "known": len(outcomes) - created - failed, "failed": failed, "results": outcomes})


async def _new(question: NewItemRequest) -> New:
    name = (question.file.filename if question.file else question.image_url) or ""
    image = await question.picture()
    return New(name, "" if image is None else image, question)


failures_router = APIRouter(prefix="/api", tags=["jobs"], dependencies=[ONLY_KNOWN])


@failures_router.get("/failures", response_model=Failures)
async def list_failures(services: ServicesDep, limit: Limit = 50, cursor: Cursor = "0") -> Response:
    """List rows that imports could not index. Each has the reason and the number of attempts.

    A row leaves the list when it is indexed after the picture or the catalogue was fixed and imported again.
    """
    found = await services.run(services.app.failures)
    start, end = int(cursor), int(cursor) + limit
    after = str(end) if end < len(found) else None

    def answer() -> dict[str, Any]:
        page = [failure_of(failure, paths=services.options.allow_paths) for failure in found[start:end]]
        return {"num_failures": len(found), "failures": page, "next_cursor": after}

    return Json(await services.written(answer, rows=limit))
