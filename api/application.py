"""`create_api`: routes and the layers around them, in order."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from starlette.middleware.cors import CORSMiddleware

from api import (
    documents,
    errors,
    routes_adding,
    routes_items,
    routes_jobs,
    routes_pictures,
    routes_query,
    routes_search,
    routes_status,
)
from api.door import Door
from api.gate import Gate
from api.intake import Intake
from api.metrics import Metrics
from api.observing import Observing
from api.options import ApiOptions
from api.throttle import Throttle
from upkeep.live_app import LiveApp

ROUTERS = (routes_status, routes_search, routes_pictures, routes_query, routes_adding, routes_items, routes_jobs)


def create_api(app: LiveApp, options: ApiOptions | None = None) -> FastAPI:
    """The API over a collection, as an ASGI application. The app stays its maker's, who closes it.

    A request meets, in this order: its reference number, the gate (name, origin, key), CORS, the throttle, the limits of its body, its
    route.
    """
    options = options or ApiOptions()
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        api.state.door.close()

    api = FastAPIOffline(
        title="Visual Search",
        version="1.0",
        description=documents.DESCRIPTION,
        lifespan=lifespan,
        docs_url="/docs" if options.docs else None,
        redoc_url=None,
        redirect_slashes=False,
        swagger_ui_parameters={"defaultModelsExpandDepth": 0, "tryItOutEnabled": True},
    )
    api.state.door = Door(app, options, metrics)
    for routes in ROUTERS:
        api.include_router(routes.router)
    errors.install(api, _methods)
    documents.install(api, with_keys=bool(options.keys))
    # The last one added is the first one met.
    api.add_middleware(Intake, options=options)
    api.add_middleware(Throttle, options=options)
    if options.cors_origins:
        api.add_middleware(
            CORSMiddleware,
            allow_origins=list(options.cors_origins),
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=["Content-Type", "X-API-Key", "Authorization", "X-Error-Shape", "If-None-Match"],
            expose_headers=["ETag", "Location", "Retry-After", "X-Request-ID"],
        )
    api.add_middleware(Gate, options=options)
    api.add_middleware(Observing, metrics=metrics)
    return api


def _methods(path: str) -> list[str]:
    """What a path can be asked for, by all routes that match it; by those of exactly this path, where there are any."""
    routes = [route for routes in ROUTERS for route in routes.router.routes if isinstance(route, APIRoute)]
    matching = [route for route in routes if route.path == path] or [route for route in routes if route.path_regex.match(path)]
    return sorted({method for route in matching for method in route.methods or ()})
