"""Pictures of items: always re-encoded, never the original bytes. They are in the database, so there is no file for `FileResponse`."""

from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.deps import Services, ServicesDep, item_called
from api.openapi import problems, told
from api.parameters import ItemName
from api.settings import MAX_SIZE_PX

router = APIRouter(prefix="/api/image", tags=["reference"])

_ETAG = {"headers": told("ETag", "send it as `If-None-Match`: an unchanged picture returns 304")}
_PICTURE: dict[str, Any] = {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}} | _ETAG
_UNCHANGED = {"description": "Not modified."} | _ETAG
_ANSWERS: dict[int | str, dict[str, Any]] = {**problems(404), 200: _PICTURE, 304: _UNCHANGED}
_HEADERS = {
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Content-Disposition": "inline",
}

Size = Annotated[int, Query(ge=1, le=MAX_SIZE_PX, description="long side in pixels; a picture is never enlarged")]


@router.get("/{image_id}", response_class=Response, responses=_ANSWERS)
async def get_image(request: Request, services: ServicesDep, image_id: ItemName) -> Response:
    """The picture of an item, re-encoded as stored."""
    item = await services.run(item_called, services.app, image_id)
    return await _picture(request, services, await services.run(services.app.rendition, item.item_id), None)


@router.get("/{image_id}/thumbnail", response_class=Response, responses=_ANSWERS)
async def get_thumbnail(request: Request, services: ServicesDep, image_id: ItemName, size: Size = 256) -> Response:
    """The picture of an item, resized."""
    item = await services.run(item_called, services.app, image_id)
    options = services.options
    stored = services.app.thumbnail if size <= options.thumbnail_px else services.app.rendition
    as_it_is = size == options.thumbnail_px or size >= options.rendition_px
    return await _picture(request, services, await services.run(stored, item.item_id), None if as_it_is else size)


async def _picture(request: Request, services: Services, stored: bytes, size: int | None) -> Response:
    """A stored JPEG, resized if a size is requested.

    The ETag is a digest of the stored bytes and the size, so that an unchanged picture is recognized without resizing it.
    """
    digest = sha256(stored).hexdigest()
    etag = f'"{digest[:32]}-{size or "stored"}"'
    headers = _HEADERS | {"ETag": etag}
    if _has(",".join(request.headers.getlist("if-none-match")), etag):
        return Response(status_code=304, headers=headers)
    if size is not None:
        stored = await services.workers.run("resizing", services.resizer.resized, stored, size, digest)
    return Response(stored, media_type="image/jpeg", headers=headers)


def _has(if_none_match: str, etag: str) -> bool:
    given = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return etag in given or "*" in given
