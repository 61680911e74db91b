"""Pictures of items: re-encoded pixels, never a stranger's bytes."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.documents import problems
from api.door import Door, TheDoor
from api.lookup import item_called
from api.options import MAX_SIZE_PX
from api.resizing import resized
from crossmodal.items import Item

router = APIRouter(prefix="/api/image", tags=["reference"])

_PICTURE: dict[str, Any] = {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}}
_ANSWERS: dict[int | str, dict[str, Any]] = {**problems(404), 200: _PICTURE, 304: {"description": "It is as you have it."}}
_HEADERS = {
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Content-Disposition": "inline",
}

Size = Annotated[int, Query(ge=1, le=MAX_SIZE_PX, description="long side in pixels; a picture is never enlarged")]


@router.get("/{image_id}", response_class=Response, responses=_ANSWERS)
async def get_image(request: Request, door: TheDoor, image_id: str) -> Response:
    """The picture of an item as the collection keeps it, by the item's id or by the name of its file."""
    item = await door.run(item_called, door.app, image_id)
    return await _picture(request, door, item, "large", lambda: door.app.rendition(item.item_id))


@router.get("/{image_id}/thumbnail", response_class=Response, responses=_ANSWERS)
async def get_thumbnail(request: Request, door: TheDoor, image_id: str, size: Size = 256) -> Response:
    """The same made smaller."""
    item = await door.run(item_called, door.app, image_id)
    return await _picture(request, door, item, str(size), lambda: _small(door, item, size))


async def _picture(request: Request, door: Door, item: Item, variant: str, load: Callable[[], bytes]) -> Response:
    etag = f'"{item.content_hash[:32]}-{variant}"'
    headers = _HEADERS | {"ETag": etag}
    if _has(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    return Response(await door.run(load), media_type="image/jpeg", headers=headers)


def _small(door: Door, item: Item, size: int) -> bytes:
    options = door.options
    if size == options.thumbnail_px:
        return door.app.thumbnail(item.item_id)
    if size >= options.rendition_px:
        return door.app.rendition(item.item_id)
    source = door.app.thumbnail if size < options.thumbnail_px else door.app.rendition
    return resized(source(item.item_id), size)


def _has(if_none_match: str, etag: str) -> bool:
    given = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return etag in given or "*" in given
