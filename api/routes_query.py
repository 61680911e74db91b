"""Searching by text, picture or both, many queries at once, and the spelling of a query."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.answers import BatchResults, Correction, Json, Results, results_of
from api.bodies import Upload, one_source, read
from api.body_schemas import body
from api.correcting import correction_of
from api.distinct import one_per_picture
from api.documents import problems
from api.door import Door, TheDoor
from api.errors import bad_request
from api.lookup import item_called
from api.questions import AnyQuestion, BatchQuestion, CorrectionQuestion
from api.searching import by_both, by_item, by_picture, by_text
from crossmodal.items import SearchResult

router = APIRouter(tags=["search"])


@router.post(
    "/search",
    response_model=Results,
    openapi_extra=body(AnyQuestion, file="image", one_of=("image_id", "image_url"), or_else="query"),
    responses=problems(404, 415, 422, 502, 504),
)
async def search(request: Request, door: TheDoor) -> Response:
    """Pictures that fit a text, a picture, or both together."""
    question, uploads = await read(request, AnyQuestion)
    return Json(results_of(await _answer(door, question, uploads)))


@router.post("/api/search/batch", response_model=BatchResults, openapi_extra=body(BatchQuestion), responses=problems(415, 422))
async def search_batch(request: Request, door: TheDoor) -> Response:
    """Many text queries in one call, each with its own results."""
    question, _ = await read(request, BatchQuestion)
    most = door.app.limits.max_top_k

    def ask(top_k: int) -> list[list[SearchResult]]:
        where, least = question.where, question.min_score
        return door.app.search_by_texts(question.queries, top_k, where=where, min_score=least)

    first = await door.workers.run("texts", ask, question.top_k)
    answers = []
    for query, found in zip(question.queries, first, strict=True):

        async def again(top_k: int, query: str = query, found: list[SearchResult] = found) -> list[SearchResult]:
            if top_k <= question.top_k:
                return found
            where, least = question.where, question.min_score
            [more] = await door.workers.run("texts", door.app.search_by_texts, [query], top_k, where=where, min_score=least)
            return more

        answers.append(results_of(await one_per_picture(again, question.top_k, most=most)))
    return Json({"answers": answers})


@router.post("/correct-query", response_model=Correction, openapi_extra=body(CorrectionQuestion), responses=problems(415, 422))
async def correct_query(request: Request, door: TheDoor) -> Response:
    """What a query may have meant, in the words of this collection. Nothing is searched, and no search ever replaces a query."""
    question, _ = await read(request, CorrectionQuestion)
    return Json(await door.run(correction_of, door.app, question.query))


async def _answer(door: Door, question: AnyQuestion, uploads: list[Upload]) -> list[SearchResult]:
    sent = bool(uploads) or question.image_id is not None or question.image_url is not None
    if not sent:
        if question.query is None:
            raise bad_request(
                "Neither a text nor a picture was given.", "Give query, image_id, image_url, or a file in the field image."
            )
        return await by_text(door, question.query, question)
    one_source(uploads, question.image_id, question.image_url)
    image: bytes | str = uploads[0].data if uploads else question.image_url or ""
    if question.image_id is not None:
        item = await door.run(item_called, door.app, question.image_id)
        if question.query is None:
            return await by_item(door, item, question)
        image = await door.run(door.app.rendition, item.item_id)
        return await by_both(door, question.query, image, question.weight, question, without=(item.content_hash,))
    if question.query is None:
        return await by_picture(door, image, question)
    return await by_both(door, question.query, image, question.weight, question)
