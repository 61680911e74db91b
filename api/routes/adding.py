"""Bringing pictures in: one or many, as files or addresses. What was answered as added is on the disk."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.adding import New, add, add_all
from api.answered.answers import Added, AddedMany, Json
from api.answered.documents import problems, told
from api.answered.errors import bad_request
from api.asked.bodies import is_form, one_source, read
from api.asked.body_schemas import body
from api.asked.parameters import ONLY_KNOWN
from api.asked.questions import NewItemQuestion, NewItemsQuestion
from api.door import Door, TheDoor

router = APIRouter(tags=["items"], dependencies=[ONLY_KNOWN])

_ADDRESSED = {"image_url": "https://shop.example/red-disc.png", "title": "my mug", "attributes": {"shelf": "3"}}
_PLACE = told("Location", "where the item is")
_ADDS: dict[str, Any] = {
    "response_model": Added,
    "openapi_extra": body(NewItemQuestion, _ADDRESSED, file="image", one_of=("image_url",)),
    "responses": {
        200: {"model": Added, "description": "It was there already.", "headers": _PLACE},
        201: {"headers": _PLACE},
    }
    | problems(415, 422, 502, 504, 507),
}


@router.post("/upload", status_code=201, **_ADDS)
async def upload(request: Request, door: TheDoor) -> Response:
    """Add a picture; the same as `POST /api/items`."""
    return await _added(request, door)


@router.post("/api/items", status_code=201, **_ADDS)
async def add_item(request: Request, door: TheDoor) -> Response:
    """Add a picture. It comes as a file or an address, with a title, captions and attributes if there are any."""
    return await _added(request, door)


@router.post(
    "/api/items/batch",
    response_model=AddedMany,
    openapi_extra=body(NewItemsQuestion, {"items": [_ADDRESSED]}, file="images", many=True),
    responses=problems(415, 422, 507),
)
async def add_items(request: Request, door: TheDoor) -> Response:
    """Add many pictures.

    They come as files in the fields `images`, or as addresses with their words. One that fails does not stop the others.
    What there is no time for ends as `timeout`, and is not added.
    """
    if is_form(request):
        nothing, uploads = await read(request, NewItemQuestion, max_files=door.options.max_upload_files)
        if not uploads or nothing.model_fields_set:
            raise bad_request("A form with many pictures holds files in the fields images, and nothing else.")
        news = [New(file.name, file, nothing) for file in uploads]
    else:
        question, _ = await read(request, NewItemsQuestion)
        news = [New(item.image_url, None, item) for item in question.items]
    outcomes = await add_all(door, news, request.scope)
    created = sum(outcome["created"] for outcome in outcomes)
    failed = sum(outcome["error"] is not None for outcome in outcomes)
    return Json({"added": created, "known": len(outcomes) - created - failed, "failed": failed, "results": outcomes})


async def _added(request: Request, door: Door) -> Response:
    question, uploads = await read(request, NewItemQuestion, max_files=1)
    one_source(uploads, image_url=question.image_url)
    outcome = await add(door, New("", uploads[0] if uploads else None, question))
    place = f"/api/items/{outcome.item.item_id}"
    answer = {"created": outcome.created, "item": door.item(outcome.item)}
    return Json(answer, status_code=201 if outcome.created else 200, headers={"Location": place})
