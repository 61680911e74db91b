"""`create_api`: routes and the layers around them, in order."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute
from starlette.types import Lifespan

from api import openapi
from api.deps import Services
from api.errors import bad_request, error_response, invalid, path_of
from api.metrics import Metrics
from api.middleware.access import Gate, Preflight, Readable, cors_terms
from api.middleware.limits import Intake, Throttle
from api.middleware.observability import Observing
from api.routes import health, images, items, jobs, search
from api.settings import ApiOptions
from crossmodal.errors import CrossmodalError, QueryError
from engine.live import LiveApp


def install(api: FastAPI, allowed: Callable[[str], list[str]]) -> None:
    """Return all errors in the documented shape. Unexpected ones are caught by `api.middleware.observability`.

    Args:
        allowed: the methods of a path, for the header `Allow`.
    """

    async def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, CrossmodalError)
        return error_response(error, request.scope)

    async def validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        # Each location begins with the part of the request, such as "query" or "body".
        return error_response(invalid([{**fault, "loc": fault["loc"][1:]} for fault in error.errors()]), request.scope)

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.__cause__ is not None:  # FastAPI wraps every exception raised while it reads a body
            if isinstance(error.__cause__, CrossmodalError):
                return error_response(error.__cause__, request.scope)
            raise error.__cause__
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(allowed(path_of(request.scope)))
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


FORMS = (search.legacy_forms, search.forms, items.forms, jobs.forms)
ROUTERS = (
    *FORMS,
    health.open_router,
    health.router,
    search.legacy_router,
    images.router,
    search.router,
    items.add_router,
    items.router,
    jobs.router,
    items.failures_router,
)
"""Forms come first; their routes match no other request."""


def _heads(routes: Iterable[BaseRoute]) -> APIRouter:
    """HEAD for every GET route; uvicorn leaves the body out."""
    heads = APIRouter()
    for route in routes:
        if isinstance(route, APIRoute) and "GET" in (route.methods or ()):
            heads.add_api_route(route.path, route.endpoint, methods=["HEAD"], name=route.name, dependencies=route.dependencies)
    return heads


HEADS = _heads(route for router in ROUTERS for route in router.routes)


def create_api(app: LiveApp, options: ApiOptions | None = None) -> FastAPI:
    """The API over a collection, as an ASGI application. The caller closes `app`.

    A request passes, in this order: CORS headers, its request id, the checks of host, origin and key, CORS preflight, the rate limit, the
    limits of its body, its route. Preflight comes after the host check (a foreign name learns nothing), CORS headers before all (a page
    of a listed origin can read errors, too).
    """
    options = options or ApiOptions()
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        api.state.services.close()

    api = _framework(lifespan, docs=options.docs)
    api.state.services = Services(app, options, metrics)
    heads = _heads(api.routes)  # of the documentation
    for router in ROUTERS:
        keys = openapi.KEYS if options.keys and router is not health.open_router else ()
        api.include_router(router, dependencies=keys, include_in_schema=router not in FORMS)
    for router in (heads, HEADS):
        api.include_router(router, include_in_schema=False)
    install(api, _methods)
    openapi.install(api, [route for router in FORMS for route in router.routes])
    # The last one added runs first.
    api.add_middleware(Intake, options=options)
    api.add_middleware(Throttle, options=options)
    if options.cors_origins:
        api.add_middleware(Preflight, **cors_terms(options))
    api.add_middleware(Gate, options=options)
    api.add_middleware(Observing, metrics=metrics)
    if options.cors_origins:
        api.add_middleware(Readable, **cors_terms(options))
    return api


def _framework(lifespan: Lifespan[FastAPI], *, docs: bool) -> FastAPI:
    about: dict[str, Any] = {
        "title": "Visual Search",
        "version": "1.0",
        "description": openapi.DESCRIPTION,
        "lifespan": lifespan,
        "redoc_url": None,
        "redirect_slashes": False,
        "generate_unique_id_function": lambda route: route.name,
    }
    if not docs:
        return FastAPI(**about, docs_url=None, openapi_url=None)
    shown = {"defaultModelsExpandDepth": 0, "tryItOutEnabled": True}
    framework = FastAPIOffline(**about, docs_url="/docs", swagger_ui_parameters=shown)
    framework.add_route("/", lambda _: RedirectResponse("docs"), include_in_schema=False)
    return framework


def _methods(path: str) -> list[str]:
    """The methods of a path: of its own routes, or else of all that match it."""
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    matching = [route for route in routes if route.path == path] or [route for route in routes if route.path_regex.match(path)]
    methods = {method for route in matching for method in route.methods or ()} | {"OPTIONS"}
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)
