"""Search endpoints: those of the compatibility contract (`/api/search/...`), `/search`, batches and spelling."""

import asyncio
import re
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Query as Parameter
from starlette.responses import Response

from api.deps import Services, ServicesDep, item_at, item_called
from api.errors import Json, bad_request
from api.openapi import problems
from api.parameters import ONLY_KNOWN, WhereText, filter_of
from api.request_body import ONE_FILE, FormRoute, JsonRoute, from_form
from api.responses import BatchResults, Captions, Correction, ImageSearch, Results, TextSearch, captions_of, rows_of
from api.schemas import (
    SIGNAL,
    AnySearchRequest,
    BatchSearchRequest,
    CaptionRequest,
    CorrectionRequest,
    ImageSearchRequest,
    PagedSearchOptions,
    PictureForm,
    QueryText,
    TextSearchRequest,
    examples,
)
from api.settings import MAX_OFFSET, MAX_TOP_K
from crossmodal.text.cleaning import clean_query
from engine.live import LiveApp
from engine.query import Signal

legacy_router = APIRouter(prefix="/api/search", tags=["reference"], route_class=JsonRoute)


@legacy_router.post("/text", response_model=TextSearch, responses=problems(415))
async def search_text(
    services: ServicesDep, question: Annotated[TextSearchRequest, examples({"query": "red striped mug", "top_k": 5})]
) -> Response:
    """Search pictures by a text."""
    answer = await services.search(await services.query(question, text=question.query))
    return Json({"query": question.query} | rows_of(answer.results, services.options))


@legacy_router.post("/image", response_model=ImageSearch, responses=problems(404, 415, 502, 504))
async def search_image(
    services: ServicesDep, question: Annotated[ImageSearchRequest, examples({"image_id": "1", "top_k": 5})]
) -> Response:
    """Search pictures by a picture.

    It is one of the collection, named by `image_id` or its position `image_index`, or one sent as a file or named by a URL. It is excluded
    from the results.
    """
    question.check_one_picture()
    image = await question.picture()
    if image is not None:
        query = await services.query(question, image=image)
    elif question.image_id is not None:
        query = await services.query(question, item_id=await _item_id(services, question.image_id))
    else:
        item = await services.run(item_at, services.app, question.image_index or 0)
        query = await services.query(question, item_id=item.item_id)
    image_id = None if query.item_id is None else str(query.item_id)
    return Json({"image_id": image_id} | rows_of((await services.search(query)).results, services.options))


@legacy_router.post("/image-to-text", response_model=Captions, responses=problems(404, 415, 502, 504))
async def search_captions(services: ServicesDep, question: Annotated[CaptionRequest, examples({"image_id": "1"})]) -> Response:
    """Search the texts of the collection by a picture."""
    question.check_one_picture()
    if question.image_id is not None:
        item_id = await _item_id(services, question.image_id)
        return Json(captions_of(await services.run_pictures(services.app.captions_for_item, item_id, question.top_k)))
    image = await question.picture()
    picture = await services.look_at("" if image is None else image)
    return Json(captions_of(await services.run_pictures(services.app.captions_for_image, picture, question.top_k)))


async def _item_id(services: Services, name: str) -> int:
    """Raises QueryError `not_found`."""
    return (await services.run(item_called, services.app, name)).item_id


_MOST_WORDS = 8
_SUGGESTIONS = 3


def correction_of(app: LiveApp, query: str) -> dict[str, Any]:
    """A `Correction`: the nearest known words of each unknown word, and the query with each replaced by the nearest.

    Words without a near one stay; so does the whole query while the collection has no titles.

    Raises:
        QueryError: `text_empty`, `text_too_long`.
    """
    cleaned = clean_query(query, max_chars=app.limits.max_query_chars)
    unknown = app.unknown_words(cleaned)
    suggestions = {word: app.nearest_words(word, _SUGGESTIONS) for word in unknown[:_MOST_WORDS]}
    corrected = cleaned
    for word, near in suggestions.items():
        if near:
            # A function, because re.sub interprets backslashes in a replacement text.
            corrected = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", partial(_always, near[0]), corrected, flags=re.IGNORECASE)
    return {
        "query": cleaned,
        "corrected": corrected,
        "changed": corrected != cleaned,
        "unknown_words": unknown,
        "suggestions": suggestions,
        "similar_words": app.nearest_words(cleaned, _SUGGESTIONS),
    }


def _always(word: str, _: re.Match[str]) -> str:
    return word


legacy_forms = APIRouter(prefix="/api/search", route_class=FormRoute)
legacy_forms.post("/text", include_in_schema=False)(from_form(search_text))
legacy_forms.post("/image", form_limits=ONE_FILE)(from_form(search_image, PictureForm))
legacy_forms.post("/image-to-text", form_limits=ONE_FILE)(from_form(search_captions, PictureForm))

router = APIRouter(tags=["search"], dependencies=[ONLY_KNOWN], route_class=JsonRoute)

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


@router.post("/search", response_model=Results, responses=problems(404, 415, 422, 502, 504))
async def search(services: ServicesDep, question: Annotated[AnySearchRequest, examples(*_SEARCHES)]) -> Response:
    """Search pictures by a text, a picture, or both."""
    if question.pictures:
        question.check_one_picture()
    elif question.query is None:
        raise bad_request(
            "Neither a text nor a picture was given.", "Give query, image_id, image_url, or a file in the field image."
        )
    item_id = None if question.image_id is None else await _item_id(services, question.image_id)
    query = await services.query(
        question, text=question.query, image=await question.picture(), item_id=item_id, weight=question.weight
    )
    return Json(await services.results(query))


@router.get("/search", name="search_by_parameters", response_model=Results, responses=problems(404, 422))
async def search_by_parameters(
    services: ServicesDep,
    q: Annotated[QueryText, Parameter(description="the text to search for")],
    image_id: Annotated[str | None, Parameter(description="a picture as well: the id of an item, or its file's name")] = None,
    weight: Annotated[float, Parameter(ge=0, le=1, allow_inf_nan=False, description="share of the picture")] = 0.5,
    top_k: Annotated[int, Parameter(ge=1, le=MAX_TOP_K, description="results at most")] = 10,
    offset: Annotated[int, Parameter(ge=0, le=MAX_OFFSET, description="how many of the best results are skipped")] = 0,
    min_score: Annotated[float | None, Parameter(ge=-1, le=1, allow_inf_nan=False, description="lowest cosine that counts")] = None,
    where: WhereText = None,
    *,
    signal: Annotated[Signal, Parameter(description=SIGNAL)] = "joined",
    collapse_duplicates: Annotated[bool, Parameter(description="only the best of items with the same picture file")] = True,
) -> Response:
    """Search pictures with query parameters. By a text, or by a text and the picture of an item."""
    options = PagedSearchOptions(
        top_k=top_k,
        offset=offset,
        min_score=min_score,
        where=filter_of(where),
        signal=signal,
        collapse_duplicates=collapse_duplicates,
    )
    item_id = None if image_id is None else await _item_id(services, image_id)
    return Json(await services.results(await services.query(options, text=q, item_id=item_id, weight=weight)))


@router.post("/api/search/batch", response_model=BatchResults, responses=problems(415, 422))
async def search_batch(services: ServicesDep, question: Annotated[BatchSearchRequest, examples(_MANY)]) -> Response:
    """Search by many texts in one call. Each has its own results; queries times `top_k` are at most 10,000."""
    if len(question.queries) * question.top_k > _ROWS:
        what = f"{len(question.queries)} queries with {question.top_k:,} results each are more than {_ROWS:,} results in one call."
        raise bad_request(what, "Ask for fewer results, or in several calls.")
    queries = await services.queries(question, question.queries)  # an invalid one is refused before anything is searched
    answers: list[bytes] = []
    for start in range(0, len(queries), _SLICE):  # in slices, so that single searches can run in between
        answers += await asyncio.gather(*map(services.results, queries[start : start + _SLICE]))
    return Json(b'{"answers":[' + b",".join(answers) + b"]}")


@router.post("/correct-query", response_model=Correction, responses=problems(415, 422))
async def correct_query(services: ServicesDep, question: Annotated[CorrectionRequest, examples(_MISSPELT)]) -> Response:
    """Suggest a spelling for a query from the words of this collection. Nothing is searched; searches never change a query."""
    return Json(await services.run(correction_of, services.app, question.query))


forms = APIRouter(dependencies=[ONLY_KNOWN], route_class=FormRoute)
forms.post("/search", form_limits=ONE_FILE)(from_form(search, PictureForm))
forms.post("/correct-query", include_in_schema=False)(from_form(correct_query))
