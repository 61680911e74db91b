"""The OpenAPI document: responses common to all routes."""

from collections.abc import Sequence
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.routing import BaseRoute

from api.errors import is_reference
from api.responses import ErrorAnswer, FlatErrorAnswer
from api.schemas import FORM_MEDIA

DESCRIPTION = """
Search a collection of pictures by words, by a picture, or by both, and manage it. The app and the command line use the same collection and
see changes at once.

**Errors** have one shape, `{"error": {"code", "message", "remedy"}}`. On the endpoints marked *reference*, `error` is a string, as clients
of that contract expect, with the same three fields in `details`; send `X-Error-Shape: object` to get the one shape there too.
"""

TAGS = [
    {"name": "reference", "description": "The compatibility contract: what clients of an older system call."},
    {"name": "search", "description": "Text, picture, both; many queries at once; spelling."},
    {"name": "items", "description": "List, add, change, remove."},
    {"name": "jobs", "description": "Long work: import and export."},
    {"name": "operation", "description": "Metrics for monitoring."},
]

SENTENCES = {
    200: "Success.",
    201: "Stored in the collection.",
    202: "Accepted; the current state.",
    204: "Deleted.",
    400: "Invalid request.",
    401: "No valid API key.",
    403: "Not allowed for this origin, or on this server.",
    404: "Not found.",
    405: "Method not allowed; `Allow` lists those that are.",
    408: "The body took too long to arrive.",
    409: "Another job is running.",
    413: "The body, a text or a picture is too large.",
    415: "Unsupported type of body or picture.",
    416: "The header `Range` lies outside the file.",
    422: "A field, a text or a picture is invalid.",
    429: "Too many requests; retry after `Retry-After` seconds.",
    431: "The headers are too long.",
    500: "Internal error; the log has the details under the request id.",
    502: "The picture's URL returned an error.",
    503: "Too many concurrent requests, or the collection is busy; retry after `Retry-After` seconds.",
    504: "Fetching the URL or decoding the picture took too long.",
    507: "The disk is full.",
}
_FRAMEWORKS_OWN = "Successful Response"
_EVERYWHERE = (400, 401, 403, 405, 408, 413, 429, 431, 500, 503)


def told(header: str, what: str) -> dict[str, Any]:
    """A response header, for `headers=`."""
    return {header: {"description": what, "schema": {"type": "string"}}}


_RETRY = told("Retry-After", "seconds")


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error responses of a route beyond those of every route, for `responses=`."""
    return {status: {"description": SENTENCES[status]} for status in statuses}


KEYS = [
    Depends(APIKeyHeader(name="X-API-Key", scheme_name="key", auto_error=False)),
    Depends(HTTPBearer(scheme_name="bearer", auto_error=False)),
]
"""Documents that one of the two is required. `api.middleware.access` checks it, before the body is read."""


def install(api: FastAPI, forms: Sequence[BaseRoute]) -> None:
    """Complete the document that FastAPI generates.

    Args:
        forms: routes that read as a form what another route of their path reads as JSON.
    """

    def document() -> dict[str, Any]:
        if api.openapi_schema is None:
            about: dict[str, Any] = {"title": api.title, "version": api.version}
            document = get_openapi(**about, description=api.description, routes=api.routes, tags=TAGS)
            _add_forms(document, get_openapi(**about, routes=forms))
            _add_errors(document)
            api.openapi_schema = document
        return api.openapi_schema

    api.openapi = document  # type: ignore[method-assign]


def _add_forms(document: dict[str, Any], forms: dict[str, Any]) -> None:
    """Merge two routes of a path: in OpenAPI they are one operation with several types of body."""
    schemas = document["components"]["schemas"]
    schemas |= forms["components"]["schemas"]
    for path, operations in forms["paths"].items():
        for method, operation in operations.items():
            for media, content in operation["requestBody"]["content"].items():
                fields = schemas[content["schema"]["$ref"].rpartition("/")[2]]["properties"]
                types = {"image": FORM_MEDIA, "images": FORM_MEDIA, "where": "application/json", "attributes": "application/json"}
                content["encoding"] = {name: {"contentType": kind} for name, kind in types.items() if name in fields}
                document["paths"][path][method]["requestBody"]["content"][media] = content


def _add_errors(document: dict[str, Any]) -> None:
    """Add the error responses of every operation. As `responses=` of each route, their models would slow down each start."""
    schemas = document["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for model in (ErrorAnswer, FlatErrorAnswer):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {}) | {model.__name__: schema}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _complete(operation, path)


def _complete(operation: dict[str, Any], path: str) -> None:
    operation["summary"] = operation.get("description", "").partition(". ")[0].partition("\n")[0].rstrip(".")
    reference = is_reference(path)
    responses: dict[str, Any] = operation["responses"]
    responses.pop("422", None)  # FastAPI's own, in another shape
    for number in (*_EVERYWHERE, *(() if reference else (422,))):
        responses.setdefault(str(number), {"description": SENTENCES[number]})
    shape = {"$ref": f"#/components/schemas/{'FlatErrorAnswer' if reference else 'ErrorAnswer'}"}
    for status, response in responses.items():
        if response.get("description") == _FRAMEWORKS_OWN:
            response["description"] = SENTENCES[int(status)]
        if int(status) >= 400:
            response["content"] = {"application/json": {"schema": shape}}
            if int(status) in (429, 503):
                response["headers"] = _RETRY
    operation["responses"] = dict(sorted(responses.items()))
