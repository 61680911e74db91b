"""Bringing pictures in: one or many, as files or addresses. What was answered as added is on the disk."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.answers import Added, AddedMany, Json, item_of
from api.bodies import Upload, one_source, read
from api.body_schemas import body
from api.documents import problems
from api.door import Door, TheDoor
from api.errors import bad_request
from api.questions import NewItemQuestion, NewItemsQuestion
from crossmodal.errors import CrossmodalError
from crossmodal.items import AddOutcome
from crossmodal.text.cleaning import display_text

router = APIRouter(tags=["items"])

_NAME_CHARS = 200
_ADDS: dict[str, Any] = {
    "response_model": Added,
    "openapi_extra": body(NewItemQuestion, file="image", one_of=("image_url",)),
    "responses": {200: {"model": Added, "description": "It was there already"}} | problems(415, 422, 502, 504, 507),
}


@router.post("/upload", status_code=201, **_ADDS)
async def upload(request: Request, door: TheDoor) -> Response:
    """Add a picture; the same as `POST /api/items`."""
    return await _added(request, door)


@router.post("/api/items", status_code=201, **_ADDS)
async def add_item(request: Request, door: TheDoor) -> Response:
    """Add a picture, as a file or an address, with a title, captions and attributes if there are any."""
    return await _added(request, door)


@router.post(
    "/api/items/batch",
    response_model=AddedMany,
    openapi_extra=body(NewItemsQuestion, file="images", many=True),
    responses=problems(415, 422, 507),
)
async def add_items(request: Request, door: TheDoor) -> Response:
    """Add many pictures: files in the fields `images`, or addresses with their words. One that fails does not stop the others."""
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        nothing, uploads = await read(request, NewItemQuestion, max_files=door.options.max_upload_files)
        if not uploads or nothing.model_fields_set:
            raise bad_request("A form with many pictures holds files in the fields images, and nothing else.")
        outcomes = await asyncio.gather(*(_try(door, file.name, file, nothing) for file in uploads))
    else:
        question, _ = await read(request, NewItemsQuestion)
        outcomes = await asyncio.gather(*(_try(door, new.image_url, None, new) for new in question.items))
    created = sum(outcome["created"] for outcome in outcomes)
    failed = sum(outcome["error"] is not None for outcome in outcomes)
    return Json({"added": created, "known": len(outcomes) - created - failed, "failed": failed, "results": outcomes})


async def _added(request: Request, door: Door) -> Response:
    question, uploads = await read(request, NewItemQuestion)
    one_source(uploads, question.image_url)
    outcome = await _add(door, uploads[0] if uploads else None, question)
    place = f"/api/items/{outcome.item.item_id}"
    answer = {"created": outcome.created, "item": item_of(outcome.item)}
    return Json(answer, status_code=201 if outcome.created else 200, headers={"Location": place})


async def _add(door: Door, file: Upload | None, question: NewItemQuestion) -> AddOutcome:
    words: dict[str, Any] = {"captions": question.captions, "attributes": question.attributes}
    if file is not None:
        picture, source = await door.run_pictures(door.app.look_at, file.data), file.name
    else:
        source = question.image_url or ""
        picture = await door.run_addresses(door.app.look_at, source)
    return await door.workers.run("adding", door.app.add_picture, picture, question.title, source=source, **words)


async def _try(door: Door, name: str, file: Upload | None, question: NewItemQuestion) -> dict[str, Any]:
    shown = display_text(name, max_chars=_NAME_CHARS)
    try:
        outcome = await _add(door, file, question)
    except CrossmodalError as error:
        said = {"code": error.code, "message": error.message, "remedy": error.remedy}
        return {"name": shown, "created": False, "item": None, "error": said}
    return {"name": shown, "created": outcome.created, "item": item_of(outcome.item), "error": None}
