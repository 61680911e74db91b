"""`create_api`: routes and the layers around them, in order."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from starlette.types import Lifespan

from api.answered import documents, handlers
from api.door import Door
from api.layers.cors import Preflight, Readable, cors_terms
from api.layers.gate import Gate
from api.layers.heads import Heads
from api.layers.intake import Intake
from api.layers.observing import Observing
from api.layers.throttle import Throttle
from api.metrics import Metrics
from api.options import ApiOptions
from api.routes import adding, failures, items, jobs, pictures, query, search, status
from upkeep.live_app import LiveApp

ROUTERS = (status, search, pictures, query, adding, items, jobs, failures)


def create_api(app: LiveApp, options: ApiOptions | None = None) -> FastAPI:
    """The API over a collection, as an ASGI application. The app stays its maker's, who closes it.

    A request meets, in this order: what lets a listed page read the answer, its reference number, the gate (name, origin, key), the
    answer to a preflight, the throttle, the limits of its body, its route.
    """
    options = options or ApiOptions()
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        api.state.door.close()

    api = _framework(lifespan, docs=options.docs)
    api.state.door = Door(app, options, metrics)
    for routes in ROUTERS:
        api.include_router(routes.router)
    handlers.install(api, _methods)
    documents.install(api, with_keys=bool(options.keys))
    # The last one added is the first one met.
    api.add_middleware(Heads)
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
        "description": documents.DESCRIPTION,
        "lifespan": lifespan,
        "redoc_url": None,
        "redirect_slashes": False,
        "generate_unique_id_function": lambda route: route.name,
    }
    if not docs:
        return FastAPI(**about, docs_url=None, openapi_url=None)
    shown = {"defaultModelsExpandDepth": 0, "tryItOutEnabled": True}
    return FastAPIOffline(**about, docs_url="/docs", swagger_ui_parameters=shown)


def _methods(path: str) -> list[str]:
    """What a path can be asked for, by all routes that match it; by those of exactly this path, where there are any."""
    routes = [route for routes in ROUTERS for route in routes.router.routes if isinstance(route, APIRoute)]
    matching = [route for route in routes if route.path == path] or [route for route in routes if route.path_regex.match(path)]
    methods = {method for route in matching for method in route.methods or ()} | {"OPTIONS"}
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)
