"""Searching by the reference's addresses: `/api/search/text`, `/api/search/image`, `/api/search/image-to-text`."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.answered.answers import Captions, ImageSearch, Json, TextSearch
from api.answered.documents import problems
from api.answered.rendering import captions_of, rows_of
from api.asked.bodies import one_source, read
from api.asked.body_schemas import body
from api.asked.questions import CaptionQuestion, ImageQuestion, TextQuestion
from api.door import TheDoor
from api.lookup import item_at, item_called
from api.searching import by_item, by_picture, by_text

router = APIRouter(prefix="/api/search", tags=["reference"])


@router.post(
    "/text",
    response_model=TextSearch,
    openapi_extra=body(TextQuestion, {"query": "red striped mug", "top_k": 5}),
    responses=problems(415),
)
async def search_text(request: Request, door: TheDoor) -> Response:
    """Pictures that fit a description."""
    question, _ = await read(request, TextQuestion)
    results = await by_text(door, question.query, await door.terms(question))
    return Json({"query": question.query} | rows_of(results))


@router.post(
    "/image",
    response_model=ImageSearch,
    openapi_extra=body(ImageQuestion, {"image_id": "1", "top_k": 5}, file="image", one_of=("image_id", "image_index", "image_url")),
    responses=problems(404, 415, 502, 504),
)
async def search_image(request: Request, door: TheDoor) -> Response:
    """Pictures like another one.

    That is one of the collection, named by `image_id` (or its place, `image_index`), or one sent as a file or an address. It is left out of
    its own results.
    """
    question, uploads = await read(request, ImageQuestion, max_files=1)
    one_source(uploads, image_id=question.image_id, image_index=question.image_index, image_url=question.image_url)
    terms = await door.terms(question)
    if uploads or question.image_url is not None:
        results = await by_picture(door, uploads[0].data if uploads else question.image_url or "", terms)
        return Json({"image_id": None} | rows_of(results))
    if question.image_id is not None:
        item = await door.run(item_called, door.app, question.image_id)
    else:
        item = await door.run(item_at, door.app, question.image_index or 0)
    return Json({"image_id": str(item.item_id)} | rows_of(await by_item(door, item, terms)))


@router.post(
    "/image-to-text",
    response_model=Captions,
    openapi_extra=body(CaptionQuestion, {"image_id": "1"}, file="image", one_of=("image_id", "image_url")),
    responses=problems(404, 415, 502, 504),
)
async def search_captions(request: Request, door: TheDoor) -> Response:
    """Texts of the collection that fit a picture."""
    question, uploads = await read(request, CaptionQuestion, max_files=1)
    one_source(uploads, image_id=question.image_id, image_url=question.image_url)
    if question.image_id is not None:
        item = await door.run(item_called, door.app, question.image_id)
        return Json(captions_of(await door.run_pictures(door.app.captions_for_item, item.item_id, question.top_k)))
    picture = await door.look_at(uploads[0].data if uploads else question.image_url or "")
    return Json(captions_of(await door.run_pictures(door.app.captions_for_picture, picture, question.top_k)))
