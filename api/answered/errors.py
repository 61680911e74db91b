"""The error table of the API: every refusal in one JSON shape, and in the flat one where a client of the reference expects it."""

import logging
from collections.abc import Iterable
from typing import Any

from starlette.responses import Response
from starlette.types import Scope

from api.answered.answers import Json
from crossmodal.errors import BusyError, CrossmodalError, FetchError, PictureError, QueryError

log = logging.getLogger(__name__)

REFERENCE_PATHS = frozenset({"/health", "/api/stats", "/api/search/text", "/api/search/image", "/api/search/image-to-text"})
REFERENCE_PREFIX = "/api/image/"
SHAPE_HEADER = b"x-error-shape"

_RETRY_AFTER_S = {429: 5, 503: 1}
_IN_THE_LOG = "Its owner finds the details in the log"
_DAMAGED = ("The collection is damaged or cannot be read.", _IN_THE_LOG)
_HIDDEN = dict.fromkeys(
    ("index_corrupt", "index_missing", "index_model_mismatch", "store_too_new", "checkpoint_invalid"), _DAMAGED
) | {
    "disk_full": ("The disk of the collection is full; nothing was changed.", _IN_THE_LOG),
    "read_only": ("The collection cannot be written; nothing was changed.", _IN_THE_LOG),
    "busy": ("The collection is being written by another program.", "Come again in a moment; the log has the details"),
}
"""What a stranger is told instead of messages that name files of this computer, which only the log gets."""


class Overload(BusyError):
    """Too much is asked of this API at once. Its words are the API's own, so they are told as they are."""


class UnreadableForm(QueryError):
    """A form that is none, or has more parts than are read: 400 at every address."""

    def __init__(self, message: str, *, remedy: str = "The documentation at /docs shows what is read.") -> None:
        super().__init__("bad_request", message, remedy=remedy)
        self.http_status = 400


def is_reference(path: str) -> bool:
    """Whether a path is one whose clients read `error` as a text."""
    return path in REFERENCE_PATHS or path.startswith(REFERENCE_PREFIX)


def error_response(
    error: CrossmodalError, scope: Scope, *, status: int | None = None, headers: Iterable[tuple[str, str]] = ()
) -> Response:
    """The answer for an error.

    On the paths of the reference `error` is a text, with our shape beside it as `details`, and a fault of the question is always 400;
    a client that prefers one shape everywhere says `X-Error-Shape: object`.
    """
    if status is None:  # a picture that takes too long is the fault of the picture, not of a server behind us
        status = 422 if isinstance(error, PictureError) and error.code == "timeout" else error.http_status
    details = refusal(error, scope, status=status)
    flat = is_reference(scope["path"])
    if flat and status == 422:
        status = 400
    if flat and dict(scope["headers"]).get(SHAPE_HEADER) != b"object":
        content: dict[str, Any] = {"error": f"{details['message']} {details['remedy']}".strip(), "details": details}
    else:
        content = {"error": details}
    answer = Json(content, status_code=status, headers=dict(headers))
    if status in _RETRY_AFTER_S:
        answer.headers.setdefault("Retry-After", str(_RETRY_AFTER_S[status]))
    return answer


def said(error: CrossmodalError, reference: str = "") -> dict[str, str]:
    """`ErrorDetails`: what a client is told of an error, without any path of this computer.

    Args:
        reference: the request's number, under which the log has what is not told.
    """
    if not _is_hidden(error):
        return {"code": error.code, "message": error.message, "remedy": error.remedy}
    message, remedy = _HIDDEN[error.code]
    return {"code": error.code, "message": message, "remedy": f"{remedy} under {reference}." if reference else f"{remedy}."}


def refusal(error: CrossmodalError, scope: Scope, *, status: int | None = None) -> dict[str, str]:
    """`said`, with the whole error in the log where the client is not told, or the fault is ours."""
    reference = str(scope.get("state", {}).get("reference", ""))
    # A far side that fails and a crowd are no faults of ours; what went wrong unforeseen is in the log already, by `api.layers.observing`.
    ours = (status or error.http_status) >= 500 and error.code != "internal" and not isinstance(error, FetchError | Overload)
    if ours or _is_hidden(error):
        log.error("%s: %s Reference %s.", error.code, error.sentence, reference or "none")
    return said(error, reference)


def _is_hidden(error: CrossmodalError) -> bool:
    return error.code in _HIDDEN and not isinstance(error, Overload)


def bad_request(message: str, remedy: str = "The documentation at /docs shows what is read.") -> QueryError:
    """A question in a form that cannot be read."""
    return QueryError("bad_request", message, remedy=remedy)
