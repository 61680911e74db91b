"""The error table of the API: every refusal in one JSON shape, and in the flat one where a client of the reference expects it."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from api.answers import Json
from crossmodal.errors import CrossmodalError, PictureError, QueryError

REFERENCE_PATHS = frozenset({"/health", "/api/stats", "/api/search/text", "/api/search/image", "/api/search/image-to-text"})
REFERENCE_PREFIX = "/api/image/"
SHAPE_HEADER = b"x-error-shape"

_RETRY_AFTER_S = {429: 5, 503: 1}
_HIDDEN = frozenset({"index_corrupt", "index_missing", "index_model_mismatch", "store_too_new", "checkpoint_invalid"})
"""Their messages name files of this computer: the log gets them, a stranger a sentence."""


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
    said = {"code": error.code, "message": error.message, "remedy": error.remedy}
    if error.code in _HIDDEN:
        said["message"], said["remedy"] = "The collection is damaged or cannot be read.", "Its owner finds the details in the log."
    flat = is_reference(scope["path"])
    if flat and status == 422:
        status = 400
    if flat and dict(scope["headers"]).get(SHAPE_HEADER) != b"object":
        content: dict[str, Any] = {"error": f"{said['message']} {said['remedy']}".strip(), "details": said}
    else:
        content = {"error": said}
    answer = Json(content, status_code=status, headers=dict(headers))
    if status in _RETRY_AFTER_S:
        answer.headers.setdefault("Retry-After", str(_RETRY_AFTER_S[status]))
    return answer


def bad_request(message: str, remedy: str = "The documentation at /docs shows what is read.") -> QueryError:
    """A question in a form that cannot be read."""
    return QueryError("bad_request", message, remedy=remedy)


def invalid(errors: Iterable[dict[str, Any]]) -> QueryError:
    """One sentence from what a validation found: the first fault, with its field and value."""
    first = next(iter(errors))
    field = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path")) or "The request"
    if first["type"] == "missing":
        return bad_request(f"The field {field} is missing.")
    value = json.dumps(first.get("input"), default=lambda _: "...", ensure_ascii=True) if "input" in first else ""
    return bad_request(f"{field:.60}: {first['msg'].removeprefix('Value error, ')}, not {value[:60]}.")


def install(api: FastAPI, allowed: Callable[[str], list[str]]) -> None:
    """Answer our errors, the framework's and its validation in our shape. What is left is caught by `api.observing`.

    Args:
        allowed: the methods of a path, for the header `Allow`.
    """

    async def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, CrossmodalError)
        return error_response(error, request.scope)

    async def validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return error_response(invalid(error.errors()), request.scope)

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(allowed(request.scope["path"]))
        return error_response(_of_http(error, request), request.scope, status=error.status_code, headers=headers.items())

    api.add_exception_handler(CrossmodalError, ours)
    api.add_exception_handler(RequestValidationError, validation)
    api.add_exception_handler(HTTPException, http)


def _of_http(error: HTTPException, request: Request) -> QueryError:
    if error.status_code == 404:
        return QueryError("not_found", "There is nothing at this address.", remedy="GET /docs lists the addresses there are.")
    if error.status_code == 405:
        return bad_request(f"{request.method:.20} is not possible here.", "The header Allow names what is.")
    return bad_request("The body cannot be read as what its headers say it is.")
