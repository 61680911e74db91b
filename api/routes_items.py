"""The collection's items: list, look, change, remove."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.answers import Attributes, ItemAnswer, ItemsPage, Json
from api.bodies import read
from api.body_schemas import body
from api.documents import problems
from api.door import TheDoor
from api.errors import bad_request
from api.lookup import item_called
from api.questions import ItemChange

router = APIRouter(prefix="/api", tags=["items"])

Limit = Annotated[int, Query(ge=1, le=500)]
Cursor = Annotated[str, Query(pattern="^[0-9]{1,18}$", description="`next_cursor` of the page before")]
WhereText = Annotated[
    str | None,
    Query(max_length=20_000, description='a filter as JSON, `{"colour": ["red", "blue"]}`', json_schema_extra={"format": "filter"}),
]


@router.get("/items", response_model=ItemsPage, responses=problems(422))
async def list_items(door: TheDoor, limit: Limit = 50, cursor: Cursor = "0", where: WhereText = None) -> Response:
    """Items, oldest first, page by page. Items added or removed meanwhile shift no page."""
    found = await door.run(door.app.items_page, limit, int(cursor), where=await door.stored(_filter(where)))
    after = str(found[-1].item_id) if len(found) == limit else None
    return Json({"items": [door.item(item) for item in found], "next_cursor": after})


@router.get("/attributes", response_model=Attributes)
async def list_attributes(door: TheDoor) -> Response:
    """What filters can be made of: attributes with their most frequent values."""
    found = await door.run(door.app.attribute_values)
    named = {name: [{"value": value, "count": count} for value, count in values] for name, values in found.items()}
    return Json({"attributes": named})


@router.get("/items/{item_id}", response_model=ItemAnswer, responses=problems(404))
async def get_item(door: TheDoor, item_id: str) -> Response:
    """One item, by its id or by the name of its file."""
    return Json(door.item(await door.run(item_called, door.app, item_id)))


@router.patch("/items/{item_id}", response_model=ItemAnswer, openapi_extra=body(ItemChange), responses=problems(404, 415, 422, 507))
async def change_item(request: Request, door: TheDoor, item_id: str) -> Response:
    """Replace an item's title or attributes, or both."""
    question, _ = await read(request, ItemChange)
    item = await door.run(item_called, door.app, item_id)
    changed = await door.run(door.app.update_item, item.item_id, title=question.title, attributes=question.attributes)
    return Json(door.item(changed))


@router.delete("/items/{item_id}", status_code=204, response_class=Response, responses=problems(404, 507))
async def delete_item(door: TheDoor, item_id: str) -> Response:
    """Take an item out of the collection; `restore` undoes it until the program starts again."""
    item = await door.run(item_called, door.app, item_id)
    await door.run(door.app.remove_item, item.item_id)
    return Response(status_code=204)


@router.post("/items/{item_id}/restore", response_model=ItemAnswer, responses=problems(404, 507))
async def restore_item(door: TheDoor, item_id: Annotated[str, "the id it had"]) -> Response:
    """Bring a removed item back."""
    if not (item_id.isascii() and item_id.isdigit() and len(item_id) <= 18):
        item_id = "0"
    return Json(door.item(await door.run(door.app.restore_item, int(item_id))))


def _filter(text: str | None) -> Any:
    if text is None:
        return None
    try:
        where = json.loads(text)
    except (ValueError, RecursionError):
        raise bad_request("The filter is not JSON.", 'Give values by attribute, for instance {"colour": "red"}.') from None
    if not isinstance(where, dict):
        raise bad_request("The filter is no table of attributes.", 'Give values by attribute, for instance {"colour": "red"}.')
    return where
