"""What the API answers. The models document and check; answers are built as plain dictionaries, which is several times faster."""

import json
from typing import Any, Literal

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from crossmodal.items import CaptionResult, Item, SearchResult
from crossmodal.jobs import JobStatus


class Json(JSONResponse):
    """JSON in ASCII: whatever text is in it, the bytes are sound."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


class ErrorDetails(BaseModel):
    """What happened and what to do. `code` is one of a closed list."""

    code: str
    message: str
    remedy: str


class ErrorAnswer(BaseModel):
    """The one shape of every refusal."""

    error: ErrorDetails


class FlatErrorAnswer(BaseModel):
    """The same for clients that read `error` as a text; with `X-Error-Shape: object` the answer is an `ErrorAnswer`."""

    error: str | ErrorDetails
    details: ErrorDetails | None = None


class Health(BaseModel):
    status: Literal["healthy"]
    model_loaded: bool
    num_images: int


class Architecture(BaseModel):
    image_input_dim: int
    text_input_dim: int
    shared_dim: int


class Stats(BaseModel):
    num_images: int
    num_captions: int
    embedding_dim: int
    model_architecture: Architecture


class Row(BaseModel):
    """A result as the reference answers it. `score` is a cosine, higher is better."""

    rank: int = Field(ge=1)
    image_id: str
    image_path: str
    score: float


class TextSearch(BaseModel):
    query: str
    num_results: int
    results: list[Row]


class ImageSearch(BaseModel):
    """`image_id` is None when the picture came with the request."""

    image_id: str | None
    num_results: int
    results: list[Row]


class Caption(BaseModel):
    rank: int = Field(ge=1)
    caption: str
    score: float
    image_id: str


class Captions(BaseModel):
    num_captions: int
    captions: list[Caption]


class ItemAnswer(BaseModel):
    """One thing of the collection. `added_at` in seconds since 1970."""

    item_id: str
    title: str
    captions: list[str]
    attributes: dict[str, str]
    catalogue: str
    source: str
    width_px: int
    height_px: int
    added_at: float
    image: str
    thumbnail: str


class Result(BaseModel):
    rank: int = Field(ge=1)
    score: float
    item: ItemAnswer


class Results(BaseModel):
    num_results: int
    results: list[Result]


class BatchResults(BaseModel):
    """The results of each query, in the order of the queries."""

    answers: list[Results]


class Correction(BaseModel):
    """What the query may have meant. Nothing was searched, nothing was replaced."""

    query: str
    corrected: str
    changed: bool
    unknown_words: list[str]
    suggestions: dict[str, list[str]]


class ItemsPage(BaseModel):
    """`next_cursor` is None on the last page."""

    items: list[ItemAnswer]
    next_cursor: str | None


class Added(BaseModel):
    """`created` is False when the very same file was in the collection already; then `item` is that one."""

    created: bool
    item: ItemAnswer


class AddedOrNot(BaseModel):
    """What came of one picture of many."""

    name: str
    created: bool = False
    item: ItemAnswer | None = None
    error: ErrorDetails | None = None


class AddedMany(BaseModel):
    added: int
    known: int
    failed: int
    results: list[AddedOrNot]


class ValueCount(BaseModel):
    value: str
    count: int


class Attributes(BaseModel):
    """Each attribute with its most frequent values and how many items have them, most frequent first."""

    attributes: dict[str, list[ValueCount]]


class Job(BaseModel):
    """Long work as it stands. `total` is 0 while it is not known."""

    job_id: str
    name: str
    state: str
    message: str
    done: int
    total: int
    failed: int
    rate_per_s: float
    seconds_left: float | None
    started_at: float
    ended_at: float | None
    error: ErrorDetails | None


class Jobs(BaseModel):
    jobs: list[Job]


class Exports(BaseModel):
    exports: list[str]


def image_path(item: Item) -> str:
    """Where the API serves an item's picture."""
    return f"/api/image/{item.item_id}"


def row_of(result: SearchResult) -> dict[str, Any]:
    """A `Row`."""
    item = result.item
    return {"rank": result.rank, "image_id": str(item.item_id), "image_path": image_path(item), "score": round(result.score, 6)}


def rows_of(results: list[SearchResult]) -> dict[str, Any]:
    """`num_results` and `results` with `Row`s."""
    return {"num_results": len(results), "results": [row_of(result) for result in results]}


def item_of(item: Item) -> dict[str, Any]:
    """An `ItemAnswer`."""
    path = image_path(item)
    return {
        "item_id": str(item.item_id),
        "title": item.title,
        "captions": list(item.captions),
        "attributes": dict(item.attributes),
        "catalogue": item.catalogue,
        "source": item.source,
        "width_px": item.width_px,
        "height_px": item.height_px,
        "added_at": item.added_at,
        "image": path,
        "thumbnail": f"{path}/thumbnail",
    }


def results_of(results: list[SearchResult]) -> dict[str, Any]:
    """`Results`."""
    found = [{"rank": result.rank, "score": round(result.score, 6), "item": item_of(result.item)} for result in results]
    return {"num_results": len(found), "results": found}


def captions_of(found: list[CaptionResult]) -> dict[str, Any]:
    """`Captions`."""
    captions = [
        {"rank": each.rank, "caption": each.caption, "score": round(each.score, 6), "image_id": str(each.item.item_id)}
        for each in found
    ]
    return {"num_captions": len(captions), "captions": captions}


def job_of(status: JobStatus) -> dict[str, Any]:
    """A `Job`."""
    at, error = status.progress, status.error
    return {
        "job_id": status.job_id,
        "name": status.name,
        "state": status.state,
        "message": status.message,
        "done": at.done,
        "total": at.total,
        "failed": at.failed,
        "rate_per_s": at.rate_per_s,
        "seconds_left": at.seconds_left,
        "started_at": status.started_at,
        "ended_at": status.ended_at,
        "error": None if error is None else {"code": error.code, "message": error.message, "remedy": error.remedy},
    }
