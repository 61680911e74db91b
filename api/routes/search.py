"""Searching by the reference's addresses: `/api/search/text`, `/api/search/image`, `/api/search/image-to-text`."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.deps import Services, ServicesDep, item_at, item_called
from api.errors import Json, bad_request
from api.openapi import body, problems
from api.parameters import ONLY_KNOWN
from api.request_body import Upload, one_source, read
from api.responses import BatchResults, Captions, Correction, ImageSearch, Results, TextSearch, captions_of, rows_of
from api.schemas import (
    AnySearchRequest,
    BatchSearchRequest,
    CaptionRequest,
    CorrectionRequest,
    ImageSearchRequest,
    TextSearchRequest,
)
from crossmodal.errors import QueryError
from crossmodal.items import Item, SearchResult
from crossmodal.text.cleaning import clean_query
from engine.live import LiveApp
from engine.validation import Limits, Terms, cleaned

Search = Callable[[int], Awaitable[list[SearchResult]]]
"""Answers up to so many results, best first."""


async def one_per_picture(search: Search, top_k: int, *, most: int, without: Collection[str] = ()) -> list[SearchResult]:
    """Up to `top_k` results that show different pictures, ranked anew; of equal pictures the best stays.

    Args:
        search: asked again for twice as many while equal pictures took places and there may be more.
        most: what `search` may be asked for at most.
        without: content hashes that are left out, such as the query's own.
    """
    wanted = min(top_k + len(without), most)
    while True:
        found = await search(wanted)
        kept: dict[str, SearchResult] = {}
        for result in found:
            if result.item.content_hash not in without:
                kept.setdefault(result.item.content_hash, result)
        if len(kept) >= top_k or len(found) < wanted or wanted >= most:
            return [replace(result, rank=rank) for rank, result in enumerate(list(kept.values())[:top_k], start=1)]
        wanted = min(2 * wanted, most)


async def by_text(door: Services, query: str, terms: Terms) -> list[SearchResult]:
    """Together with whatever other queries wait at this moment."""

    async def search(top_k: int) -> list[SearchResult]:
        return await door.batcher.search(query, replace(terms, top_k=top_k))

    return await one_per_picture(search, terms.top_k, most=door.app.limits.max_top_k)


async def by_item(door: Services, item: Item, terms: Terms) -> list[SearchResult]:
    """More like an item; neither it nor another item with the same picture is among them."""

    async def search(top_k: int) -> list[SearchResult]:
        return await door.run(partial(door.app.search_by_item, item.item_id, top_k, **_narrowing(terms)))

    return await one_per_picture(search, terms.top_k, most=door.app.limits.max_top_k, without=(item.content_hash,))


async def by_picture(door: Services, image: bytes | str, terms: Terms) -> list[SearchResult]:
    """Like a file or what lies at an address; the very same file is left out."""
    picture = await door.look_at(image)

    async def search(top_k: int) -> list[SearchResult]:
        return await door.run_pictures(partial(door.app.search_by_picture, picture, top_k, **_narrowing(terms)))

    return await one_per_picture(search, terms.top_k, most=door.app.limits.max_top_k, without=(picture.content_hash,))


async def by_both(
    door: Services, query: str, image: bytes | str, weight: float, terms: Terms, *, without: tuple[str, ...] = ()
) -> list[SearchResult]:
    """Like a picture and fitting a text; the very same file is left out, and the content hashes `without`."""
    picture = await door.look_at(image)

    async def search(top_k: int) -> list[SearchResult]:
        work = partial(door.app.search_by_query_and_picture, query, picture, top_k, weight=weight)
        return await door.run_pictures(partial(work, **_narrowing(terms)))

    return await one_per_picture(search, terms.top_k, most=door.app.limits.max_top_k, without=(picture.content_hash, *without))


def _narrowing(terms: Terms) -> dict[str, Any]:
    return {"where": dict(terms.where), "min_score": terms.min_score}


legacy_router = APIRouter(prefix="/api/search", tags=["reference"])


@legacy_router.post(
    "/text",
    response_model=TextSearch,
    openapi_extra=body(TextSearchRequest, {"query": "red striped mug", "top_k": 5}),
    responses=problems(415),
)
async def search_text(request: Request, door: ServicesDep) -> Response:
    """Pictures that fit a description."""
    question, _ = await read(request, TextSearchRequest)
    results = await by_text(door, question.query, await door.terms(question))
    return Json({"query": question.query} | rows_of(results))


@legacy_router.post(
    "/image",
    response_model=ImageSearch,
    openapi_extra=body(
        ImageSearchRequest, {"image_id": "1", "top_k": 5}, file="image", one_of=("image_id", "image_index", "image_url")
    ),
    responses=problems(404, 415, 502, 504),
)
async def search_image(request: Request, door: ServicesDep) -> Response:
    """Pictures like another one.

    That is one of the collection, named by `image_id` (or its place, `image_index`), or one sent as a file or an address. It is left out of
    its own results.
    """
    question, uploads = await read(request, ImageSearchRequest, max_files=1)
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


@legacy_router.post(
    "/image-to-text",
    response_model=Captions,
    openapi_extra=body(CaptionRequest, {"image_id": "1"}, file="image", one_of=("image_id", "image_url")),
    responses=problems(404, 415, 502, 504),
)
async def search_captions(request: Request, door: ServicesDep) -> Response:
    """Texts of the collection that fit a picture."""
    question, uploads = await read(request, CaptionRequest, max_files=1)
    one_source(uploads, image_id=question.image_id, image_url=question.image_url)
    if question.image_id is not None:
        item = await door.run(item_called, door.app, question.image_id)
        return Json(captions_of(await door.run_pictures(door.app.captions_for_item, item.item_id, question.top_k)))
    picture = await door.look_at(uploads[0].data if uploads else question.image_url or "")
    return Json(captions_of(await door.run_pictures(door.app.captions_for_picture, picture, question.top_k)))


_MOST_WORDS = 8
_SUGGESTIONS = 3


def correction_of(app: LiveApp, query: str) -> dict[str, Any]:
    """A `Correction`: each unknown word with the nearest known ones, and the query with the nearest of each in its place.

    Words without a near one stay as they are; so does everything while the collection has no titles.

    Raises:
        QueryError: `text_empty`, `text_too_long`.
    """
    cleaned = clean_query(query, max_chars=app.limits.max_query_chars)
    unknown = app.unknown_words(cleaned)
    suggestions = {word: app.nearest_words(word, _SUGGESTIONS) for word in unknown[:_MOST_WORDS]}
    corrected = cleaned
    for word, near in suggestions.items():
        if near:
            # A function, because in a text re.sub would read backslashes as its own signs.
            corrected = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", partial(_always, near[0]), corrected, flags=re.IGNORECASE)
    return {
        "query": cleaned,
        "corrected": corrected,
        "changed": corrected != cleaned,
        "unknown_words": unknown,
        "suggestions": suggestions,
    }


def _always(word: str, _: re.Match[str]) -> str:
    return word


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
    openapi_extra=body(AnySearchRequest, *_SEARCHES, file="image", one_of=("image_id", "image_url"), or_else="query"),
    responses=problems(404, 415, 422, 502, 504),
)
async def search(request: Request, door: ServicesDep) -> Response:
    """Pictures that fit a text, a picture, or both together."""
    question, uploads = await read(request, AnySearchRequest, max_files=1)
    return Json(await door.results(await _answer(door, question, uploads, await door.terms(question))))


@router.post(
    "/api/search/batch",
    response_model=BatchResults,
    openapi_extra=body(BatchSearchRequest, _MANY),
    responses=problems(415, 422),
)
async def search_batch(request: Request, door: ServicesDep) -> Response:
    """Many text queries in one call. Each has its own results; the queries times `top_k` are 10,000 at most."""
    question, _ = await read(request, BatchSearchRequest)
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
    openapi_extra=body(CorrectionRequest, _MISSPELT),
    responses=problems(415, 422),
)
async def correct_query(request: Request, door: ServicesDep) -> Response:
    """What a query may have meant, in the words of this collection. Nothing is searched, and no search ever replaces a query."""
    question, _ = await read(request, CorrectionRequest)
    return Json(await door.run(correction_of, door.app, question.query))


def _check_all(limits: Limits, queries: list[str]) -> None:
    for place, query in enumerate(queries):
        try:
            cleaned(limits, query)
        except QueryError as error:
            raise QueryError(error.code, f"queries.{place}: {error.message}", remedy=error.remedy) from None


async def _answer(door: Services, question: AnySearchRequest, uploads: list[Upload], terms: Terms) -> list[SearchResult]:
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
