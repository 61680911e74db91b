"""What the framework raises and cannot answer as we do, in our shape."""

from collections.abc import Callable

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.answered.errors import bad_request, error_response
from api.answered.faults import invalid
from crossmodal.errors import CrossmodalError, QueryError


def install(api: FastAPI, allowed: Callable[[str], list[str]]) -> None:
    """Answer our errors, the framework's and its validation in our shape. What is left is caught by `api.layers.observing`.

    Args:
        allowed: the methods of a path, for the header `Allow`.
    """

    async def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, CrossmodalError)
        return error_response(error, request.scope)

    async def validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        # Each begins with where it was: in the query, the path or a header. A field may have such a name, too.
        return error_response(invalid([{**fault, "loc": fault["loc"][1:]} for fault in error.errors()]), request.scope)

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(allowed(request.scope["path"]))
            if request.method == "OPTIONS":
                return Response(status_code=204, headers=headers)
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
