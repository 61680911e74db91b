"""The collection's items: list, look, change, remove."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.answered.answers import Attributes, ItemAnswer, ItemsPage, Json
from api.answered.documents import problems
from api.asked.bodies import read
from api.asked.body_schemas import body
from api.asked.parameters import ONLY_KNOWN, Cursor, ItemName, Limit, WhereText, filter_of
from api.asked.questions import ItemChange
from api.door import TheDoor
from api.lookup import item_called, restored
from crossmodal.catalog.filters import checked

router = APIRouter(prefix="/api", tags=["items"], dependencies=[ONLY_KNOWN])

_CHANGE = {"title": "my red mug", "attributes": {"shelf": "3"}}


@router.get("/items", response_model=ItemsPage, responses=problems(422))
async def list_items(door: TheDoor, limit: Limit = 50, cursor: Cursor = "0", where: WhereText = None) -> Response:
    """Items, oldest first, page by page. Items added or removed meanwhile shift no page."""
    conditions = checked(await door.stored(filter_of(where)))
    found = await door.run(door.app.catalog.matching_page, limit + 1, int(cursor), conditions)
    page = found[:limit]  # one more tells whether this is the last page
    after = str(page[-1].item_id) if len(found) > limit else None
    return Json(await door.written(lambda: {"items": [door.item(item) for item in page], "next_cursor": after}, rows=len(page)))


@router.get("/attributes", response_model=Attributes)
async def list_attributes(door: TheDoor) -> Response:
    """What filters can be made of: attributes with their most frequent values."""
    found = await door.run(door.app.attribute_values)
    named = {name: [{"value": value, "count": count} for value, count in values] for name, values in found.items()}
    return Json({"attributes": named})


@router.get("/items/{item_id}", response_model=ItemAnswer, responses=problems(404))
async def get_item(door: TheDoor, item_id: ItemName) -> Response:
    """One item, by its id or by the name of its file."""
    return Json(door.item(await door.run(item_called, door.app, item_id)))


@router.patch(
    "/items/{item_id}",
    response_model=ItemAnswer,
    openapi_extra=body(ItemChange, _CHANGE),
    responses=problems(404, 415, 422, 507),
)
async def change_item(request: Request, door: TheDoor, item_id: ItemName) -> Response:
    """Replace an item's title or attributes, or both."""
    question, _ = await read(request, ItemChange)
    item = await door.run(item_called, door.app, item_id)
    changed = await door.run(door.app.update_item, item.item_id, title=question.title, attributes=question.attributes)
    return Json(door.item(changed))


@router.delete("/items/{item_id}", status_code=204, response_class=Response, responses=problems(404, 507))
async def delete_item(door: TheDoor, item_id: ItemName) -> Response:
    """Take an item out of the collection. `restore` undoes it until the page or the API is started the next time."""
    item = await door.run(item_called, door.app, item_id)
    await door.run(door.app.remove_item, item.item_id)
    return Response(status_code=204)


@router.post("/items/{item_id}/restore", response_model=ItemAnswer, responses=problems(404, 507))
async def restore_item(door: TheDoor, item_id: ItemName) -> Response:
    """Bring a removed item back, by the id it had; one that is there stays as it is."""
    return Json(door.item(await door.run(restored, door.app, item_id)))
