"""Response models of the API, and functions that build them."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from api.errors import said
from api.redaction import shown_item, shown_name, shown_source
from api.settings import ApiOptions
from crossmodal.errors import HTTP_STATUS
from crossmodal.images.decode import DecodeLimits, decode_picture
from crossmodal.items import CaptionResult, Failure, FoundBy, Item, ItemSource, SearchResult
from crossmodal.jobs import JobStatus
from engine.query import SearchAnswer

Code = Annotated[str, Field(json_schema_extra={"enum": sorted(HTTP_STATUS)})]
"""Error code, from a closed list."""


class ErrorDetails(BaseModel):
    """What happened and what to do. `code` is one of a closed list."""

    code: Code
    message: str
    remedy: str


class ErrorAnswer(BaseModel):
    """The one shape of every refusal."""

    error: ErrorDetails


class FlatErrorAnswer(BaseModel):
    """An error for clients that read `error` as a string; with `X-Error-Shape: object` it is an `ErrorAnswer`."""

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


class LegacyResult(BaseModel):
    """A result in the compatibility contract. `score` is a cosine, higher is better."""

    rank: int = Field(ge=1)
    image_id: str
    image_path: str
    score: float


class TextSearch(BaseModel):
    query: str
    num_results: int
    results: list[LegacyResult]


class ImageSearch(BaseModel):
    """`image_id` is null when the picture came with the request."""

    image_id: str | None
    num_results: int
    results: list[LegacyResult]


class Caption(BaseModel):
    rank: int = Field(ge=1)
    caption: str
    score: float
    image_id: str


class Captions(BaseModel):
    num_captions: int
    captions: list[Caption]


class ItemAnswer(BaseModel):
    """An item of the collection. `added_at` in seconds since 1970. A `catalogue` or `source` that is a path on the server is
    shown by its last part, unless the server takes paths from its clients. `content_hash` is the SHA-256 of the picture's file: items with
    the same one show the same picture."""

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
    content_hash: str


class ItemSourceAnswer(BaseModel):
    """A row of a catalogue that shows an item's picture, or its addition by hand, with the words it contributes."""

    catalogue: str
    source: str
    title: str
    captions: list[str]
    attributes: dict[str, str]


class ItemDetails(ItemAnswer):
    """An item with what it comes from, oldest first: its title, captions and attributes are these joined, or edited."""

    sources: list[ItemSourceAnswer]


class SearchHit(BaseModel):
    """`score` is a cosine, 0 for an item that the model has not looked at yet. `found_by` says what found the item: `words` of its title,
    captions, attributes or file name, `likeness` of the embeddings, or `both`."""

    rank: int = Field(ge=1)
    score: float
    found_by: FoundBy
    item: ItemAnswer


class Results(BaseModel):
    """`note` says why a filter matches nothing: no item has the attribute, or there is no such catalogue. `same_picture`
    has the items that are left out because they show the very picture searched with."""

    num_results: int
    results: list[SearchHit]
    note: str | None
    same_picture: list[ItemAnswer]


class BatchResults(BaseModel):
    """The results of each query, in the order of the queries."""

    answers: list[Results]


class Correction(BaseModel):
    """A spelling suggestion; nothing was searched. `similar_words` are those of the collection that are
    closest to any unknown word."""

    query: str
    corrected: str
    changed: bool
    unknown_words: list[str]
    suggestions: dict[str, list[str]]
    similar_words: list[str]


class ItemsPage(BaseModel):
    """`next_cursor` is null on the last page."""

    items: list[ItemAnswer]
    next_cursor: str | None


class ItemCreated(BaseModel):
    """`created` is false if the same file was already in the collection; `item` is then that one."""

    created: bool
    item: ItemAnswer


class AddedOrNot(BaseModel):
    """The outcome for one picture of a batch."""

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
    """The state of a background job; `running` and `paused` are under way. `total` is 0 while unknown; what an import counts as `failed`
    is named by `GET /api/failures`. Times in seconds since 1970."""

    job_id: str
    name: str
    state: Literal["running", "paused", "done", "failed", "stopped"]
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


class FailedRow(BaseModel):
    """A picture of an import that is not in the collection, and why. `failed_at`, the last time, in seconds since 1970."""

    location: str
    title: str
    catalogue: str
    code: Code
    reason: str
    remedy: str
    attempts: int = Field(ge=1)
    failed_at: float


class Failures(BaseModel):
    """`next_cursor` is null on the last page."""

    num_failures: int
    failures: list[FailedRow]
    next_cursor: str | None


class Exports(BaseModel):
    exports: list[str]


EXPORT = "export"
"""The name of the jobs that every client may start."""


def _image_path(item: Item, options: ApiOptions) -> str:
    return f"{options.root_path}/api/image/{item.item_id}"


def _row_of(result: SearchResult, options: ApiOptions) -> dict[str, Any]:
    return {
        "rank": result.rank,
        "image_id": str(result.item.item_id),
        "image_path": _image_path(result.item, options),
        "score": round(result.score, 6),
    }


def rows_of(results: list[SearchResult], options: ApiOptions) -> dict[str, Any]:
    """`num_results` and `results` with `LegacyResult`s."""
    return {"num_results": len(results), "results": [_row_of(result, options) for result in results]}


def item_of(item: Item, options: ApiOptions) -> dict[str, Any]:
    """An `ItemAnswer`; a path on the server is included only where clients may send one."""
    path = _image_path(item, options)
    if not options.allow_paths:
        item = shown_item(item)
    return {
        "item_id": str(item.item_id),
        "title": item.title,
        "captions": list(item.captions),
        "attributes": dict(item.attributes),
        "catalogue": item.source,
        "source": item.origin,
        "width_px": item.width_px,
        "height_px": item.height_px,
        "added_at": item.added_at,
        "image": path,
        "thumbnail": f"{path}/thumbnail",
        "content_hash": item.content_hash,
    }


def details_of(item: Item, rows: Sequence[ItemSource], options: ApiOptions) -> dict[str, Any]:
    """An `ItemDetails`; a path on the server is included only where clients may send one."""
    paths = options.allow_paths
    sources = [
        {
            "catalogue": row.source if paths else shown_name(row.source),
            "source": row.origin if paths else shown_source(row.origin),
            "title": row.title,
            "captions": list(row.captions),
            "attributes": dict(row.attributes),
        }
        for row in rows
    ]
    return item_of(item, options) | {"sources": sources}


def results_of(answer: SearchAnswer, options: ApiOptions, *, note: str | None) -> dict[str, Any]:
    """`Results`."""
    found = [
        {
            "rank": result.rank,
            "score": round(result.score, 6),
            "found_by": result.found_by,
            "item": item_of(result.item, options),
        }
        for result in answer.results
    ]
    same = [item_of(item, options) for item in answer.hidden]
    return {"num_results": len(found), "results": found, "note": note, "same_picture": same}


def captions_of(found: list[CaptionResult]) -> dict[str, Any]:
    """`Captions`."""
    captions = [
        {"rank": each.rank, "caption": each.caption, "score": round(each.score, 6), "image_id": str(each.item.item_id)}
        for each in found
    ]
    return {"num_captions": len(captions), "captions": captions}


def failure_of(failure: Failure, *, paths: bool) -> dict[str, Any]:
    """A `FailedRow`; `paths` says whether server paths are included."""
    source, location, reason = failure.source, failure.location, failure.reason
    if not paths:
        source, location = shown_name(source), shown_source(location)
        if (
            shown_name(failure.location) != failure.location
        ):  # an absolute path, which the reason repeats; it is always refused as such
            reason = f"{location} lies outside the catalogue's folder."
        reason = reason.replace(failure.location, location)
    return {
        "location": location,
        "title": failure.title,
        "catalogue": source,
        "code": failure.code,
        "reason": reason,
        "remedy": failure.remedy,
        "attempts": failure.attempts,
        "failed_at": failure.failed_at,
    }


def job_of(status: JobStatus, *, paths: bool) -> dict[str, Any]:
    """A `Job`; `paths` says whether server paths are included.

    If not, only the owner can have started a job other than an export, and its messages, which name folders, are replaced.
    """
    at, error = status.progress, None if status.error is None else said(status.error)
    message = status.message
    told = paths or status.name == EXPORT
    if error is not None and not told:
        error = {"code": error["code"], "message": "The job failed.", "remedy": "Its owner finds the details in the log."}
    if status.state == "failed":  # the job's own message may name files on the server
        message = f"{error['message']} {error['remedy']}".strip() if error else "Something went wrong inside the program."
    elif status.state == "done" and not told:
        message = "The job is done."
    return {
        "job_id": status.job_id,
        "name": status.name,
        "state": status.state,
        "message": message,
        "done": at.done,
        "total": at.total,
        "failed": at.failed,
        "rate_per_s": at.rate_per_s,
        "seconds_left": at.seconds_left,
        "started_at": status.started_at,
        "ended_at": status.ended_at,
        "error": error,
    }


_KEPT_BYTES = 32 * 2**20


class Resizer:
    """Resizes JPEGs, with a cache. Thread-safe.

    Args:
        kept_bytes: size of the cache.
    """

    def __init__(self, kept_bytes: int = _KEPT_BYTES) -> None:
        self._most = kept_bytes
        self._bytes = 0
        self._kept: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def resized(self, jpeg: bytes, long_px: int, digest: str) -> bytes:
        """A JPEG with its long side at most `long_px`, never enlarged. Only for pictures this program encoded: it decodes in this process.

        Args:
            digest: of `jpeg`; the key of the cache.
        """
        with self._lock:
            known = self._kept.get((digest, long_px))
            if known is not None:
                self._kept.move_to_end((digest, long_px))
                return known
        limits = DecodeLimits(rendition_px=long_px, thumbnail_px=long_px)
        small = decode_picture(jpeg, limits=limits, square_px=1).rendition
        self._keep((digest, long_px), small)
        return small

    def _keep(self, key: tuple[str, int], small: bytes) -> None:
        with self._lock:
            if key not in self._kept:
                self._kept[key] = small
                self._bytes += len(small)
            while self._bytes > self._most:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= len(dropped)
