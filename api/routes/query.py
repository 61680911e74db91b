"""Searching by text, picture or both, many queries at once, and the spelling of a query."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.answered.answers import BatchResults, Correction, Json, Results
from api.answered.documents import problems
from api.answered.errors import bad_request
from api.asked.bodies import Upload, one_source, read
from api.asked.body_schemas import body
from api.asked.parameters import ONLY_KNOWN
from api.asked.questions import AnyQuestion, BatchQuestion, CorrectionQuestion
from api.correcting import correction_of
from api.door import Door, TheDoor
from api.lookup import item_called
from api.searching import by_both, by_item, by_picture, by_text
from crossmodal.errors import QueryError
from crossmodal.items import SearchResult
from engine.asking import Limits, Terms, cleaned

router = APIRouter(tags=["search"], dependencies=[ONLY_KNOWN])

_SEARCHES: tuple[dict[str, Any], ...] = (
    {"query": "red striped mug", "top_k": 5},
    {"image_id": "1"},
    {"query": "blue", "image_id": "1", "weight": 0.4},
    {"query": "mug", "where": {"catalogue": ["demo", "added"]}, "min_score": 0.2},
)
_MANY = {"queries": ["red mug", "blue lamp"], "top_k": 3}
_MISSPELT = {"query": "strped mugg"}
_SLICE = 16
_ROWS = 10_000


@router.post(
    "/search",
    response_model=Results,
    openapi_extra=body(AnyQuestion, *_SEARCHES, file="image", one_of=("image_id", "image_url"), or_else="query"),
    responses=problems(404, 415, 422, 502, 504),
)
async def search(request: Request, door: TheDoor) -> Response:
    """Pictures that fit a text, a picture, or both together."""
    question, uploads = await read(request, AnyQuestion, max_files=1)
    return Json(await door.results(await _answer(door, question, uploads, await door.terms(question))))


@router.post(
    "/api/search/batch",
    response_model=BatchResults,
    openapi_extra=body(BatchQuestion, _MANY),
    responses=problems(415, 422),
)
async def search_batch(request: Request, door: TheDoor) -> Response:
    """Many text queries in one call. Each has its own results; the queries times `top_k` are 10,000 at most."""
    question, _ = await read(request, BatchQuestion)
    queries, terms = question.queries, await door.terms(question)
    if len(queries) * terms.top_k > _ROWS:
        what = f"{len(queries)} queries with {terms.top_k:,} results each are more than {_ROWS:,} results in one call."
        raise bad_request(what, "Ask for fewer results, or in several calls.")
    await door.run(_check_all, door.app.limits, queries)  # one that is wrong is told before any work is done
    answers: list[bytes] = []
    for start in range(0, len(queries), _SLICE):  # in slices, so that single searches get their turn in between
        found = await asyncio.gather(*(by_text(door, query, terms) for query in queries[start : start + _SLICE]))
        answers += [await door.results(results) for results in found]
    return Json(b'{"answers":[' + b",".join(answers) + b"]}")


@router.post(
    "/correct-query",
    response_model=Correction,
    openapi_extra=body(CorrectionQuestion, _MISSPELT),
    responses=problems(415, 422),
)
async def correct_query(request: Request, door: TheDoor) -> Response:
    """What a query may have meant, in the words of this collection. Nothing is searched, and no search ever replaces a query."""
    question, _ = await read(request, CorrectionQuestion)
    return Json(await door.run(correction_of, door.app, question.query))


def _check_all(limits: Limits, queries: list[str]) -> None:
    for place, query in enumerate(queries):
        try:
            cleaned(limits, query)
        except QueryError as error:
            raise QueryError(error.code, f"queries.{place}: {error.message}", remedy=error.remedy) from None


async def _answer(door: Door, question: AnyQuestion, uploads: list[Upload], terms: Terms) -> list[SearchResult]:
    sent = bool(uploads) or question.image_id is not None or question.image_url is not None
    if not sent:
        if question.query is None:
            raise bad_request(
                "Neither a text nor a picture was given.", "Give query, image_id, image_url, or a file in the field image."
            )
        return await by_text(door, question.query, terms)
    one_source(uploads, image_id=question.image_id, image_url=question.image_url)
    image: bytes | str = uploads[0].data if uploads else question.image_url or ""
    if question.image_id is not None:
        item = await door.run(item_called, door.app, question.image_id)
        if question.query is None:
            return await by_item(door, item, terms)
        image = await door.run(door.app.rendition, item.item_id)
        return await by_both(door, question.query, image, question.weight, terms, without=(item.content_hash,))
    if question.query is None:
        return await by_picture(door, image, terms)
    return await by_both(door, question.query, image, question.weight, terms)
