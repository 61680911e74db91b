"""Error responses: one JSON shape, and the flat shape of the compatibility contract."""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import Scope

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
"""Public replacements for messages that would reveal server paths; only the log has the original."""


class Json(JSONResponse):
    """JSON in ASCII: lone surrogates in a text cannot break the encoding."""

    def render(self, content: Any) -> bytes:
        return content if isinstance(content, bytes) else self.bytes_of(content)

    @staticmethod
    def bytes_of(content: Any) -> bytes:
        """Serialize a value."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


class Overload(BusyError):
    """Too many requests at once. Its message contains no server paths and is returned unchanged."""


class UnreadableForm(QueryError):
    """A malformed form, or one with too many parts: 400 on every endpoint."""

    def __init__(self, message: str, *, remedy: str = "The documentation at /docs shows what is read.") -> None:
        super().__init__("bad_request", message, remedy=remedy)
        self.http_status = 400


def path_of(scope: Scope) -> str:
    """The path of a request below the server's base path, as the routes name it."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def is_reference(path: str) -> bool:
    """Whether a path belongs to the compatibility contract, whose clients read `error` as a string."""
    return path in REFERENCE_PATHS or path.startswith(REFERENCE_PREFIX)


def error_response(
    error: CrossmodalError, scope: Scope, *, status: int | None = None, headers: Iterable[tuple[str, str]] = ()
) -> Response:
    """The response for an error.

    On the endpoints of the compatibility contract `error` is a string, with the usual shape in `details`, and an invalid request is always
    400; a client that sends `X-Error-Shape: object` gets the usual shape everywhere.
    """
    flat = is_reference(path_of(scope))
    if status is None:  # a picture that takes too long to decode is the picture's fault, not a gateway timeout
        status = 422 if isinstance(error, PictureError) and error.code == "timeout" else error.http_status
        if flat and error.code == "text_too_long":  # as every invalid request; a body that is too large stays 413
            status = 400
    details = refusal(error, scope, status=status)
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
    """Build the `ErrorDetails` of an error, without server paths.

    Args:
        reference: the request id, under which the log has the full message.
    """
    if not _is_hidden(error):
        return {"code": error.code, "message": error.message, "remedy": error.remedy}
    message, remedy = _HIDDEN[error.code]
    return {"code": error.code, "message": message, "remedy": f"{remedy} under {reference}." if reference else f"{remedy}."}


def refusal(error: CrossmodalError, scope: Scope, *, status: int | None = None) -> dict[str, str]:
    """As `said`; logs the full error if the client does not get it, or the server is at fault."""
    state = scope.get("state", {})
    reference = str(state.get("reference", ""))
    # Failing remote servers and overload are not the server's fault; the middleware logs internal errors.
    ours = (status or error.http_status) >= 500 and error.code != "internal" and not isinstance(error, FetchError | Overload)
    if ours or _is_hidden(error):
        log.error("%s: %s Reference %s.", error.code, error.sentence, reference or "none")
    if state.get("is_owner"):  # see `api.local`
        return {"code": error.code, "message": error.message, "remedy": error.remedy}
    return said(error, reference)


def _is_hidden(error: CrossmodalError) -> bool:
    return error.code in _HIDDEN and not isinstance(error, Overload)


def bad_request(message: str, remedy: str = "The documentation at /docs shows what is read.") -> QueryError:
    """An invalid request."""
    return QueryError("bad_request", message, remedy=remedy)


_WORDS = {
    "string_type": "must be a text",
    "string_too_short": "must have at least {least}",
    "string_too_long": "must have at most {most}",
    "string_pattern_mismatch": "must look like {pattern}",
    "string_unicode": "must be a text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "is too large a number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "greater_than_equal": "must be at least {ge:,}",
    "less_than_equal": "must be at most {le:,}",
    "too_short": "must have at least {least}",
    "too_long": "must have at most {most}",
    "list_type": "must be a list",
    "dict_type": "must be a table of names and values",
    "model_type": "must be a table of names and values",
    "model_attributes_type": "must be a table of names and values",
    "extra_forbidden": "is not a field that is read here",
    "literal_error": "must be {expected}",
    "value_error": "{error}",
}
_SHOWN_CHARS = 60


def invalid(faults: Iterable[Mapping[str, Any]], what: str = "The body") -> QueryError:
    """One sentence for the first of the validation errors, with its field and value. Positions in lists count from 0.

    Args:
        what: names the whole if the error is not in a field.
    """
    fault = next(iter(faults))
    field, words = _field_of(fault["loc"]), _words_of(fault)
    if fault["type"] == "missing":
        return bad_request(f"The field {field:.60} is missing." if field else f"{what} is missing.")
    if not field:
        return bad_request(f"{what} {words}.")
    if fault["type"] == "extra_forbidden":
        return bad_request(f"{field:.60}: {words}.")
    value = json.dumps(fault.get("input"), default=lambda _: "...", ensure_ascii=True)
    shown = value if len(value) <= _SHOWN_CHARS else f"{value[:_SHOWN_CHARS]}…"
    return bad_request(f"{field:.60}: {words}, not {shown}.")


def _field_of(place: Sequence[object]) -> str:
    if place[-1:] == ("[key]",):
        return f"A name in {_field_of(place[:-2])}"
    return ".".join(str(part) for part in place)


def _words_of(fault: Mapping[str, Any]) -> str:
    kind, bounds = fault["type"], dict(fault.get("ctx", {}))
    of = "character" if kind.startswith("string_") else "entry"
    least, most = (_counted(bounds.get(name, 0), of) for name in ("min_length", "max_length"))
    return _WORDS.get(kind, "cannot be read").format(**bounds, least=least, most=most)


def _counted(number: int, of: str) -> str:
    return f"one {of}" if number == 1 else f"{number:,} {of.removesuffix('y') + 'ie' if of.endswith('y') else of}s"
