"""What the API answers: the models document and check. Answers are built by `api.answered.rendering`."""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from crossmodal.errors import HTTP_STATUS


class Json(JSONResponse):
    """JSON in ASCII: whatever text is in it, the bytes are sound."""

    def render(self, content: Any) -> bytes:
        return content if isinstance(content, bytes) else self.bytes_of(content)

    @staticmethod
    def bytes_of(content: Any) -> bytes:
        """What is answered for a value. Bytes that were made so before are taken as they are."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


Code = Annotated[str, Field(json_schema_extra={"enum": sorted(HTTP_STATUS)})]
"""What went wrong, from the closed list."""


class ErrorDetails(BaseModel):
    """What happened and what to do. `code` is one of a closed list."""

    code: Code
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
    """`image_id` is null when the picture came with the request."""

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
    """One thing of the collection. `added_at` in seconds since 1970. A `catalogue` or `source` that is a path of the server's computer is
    shown by its last part, unless the server takes paths from its clients."""

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
    """`next_cursor` is null on the last page."""

    items: list[ItemAnswer]
    next_cursor: str | None


class Added(BaseModel):
    """`created` is false when the very same file was in the collection already; then `item` is that one."""

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
    """Long work as it stands; `running` and `paused` are under way. `total` is 0 while it is not known; what an import counts as `failed`
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
