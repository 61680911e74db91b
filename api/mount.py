"""The API in the server of the page: one process, one port, the same addresses and the same guards as under `serve`.

Decision 14 says why, and what Streamlit's server does not do for what is served beside the page.
"""

import asyncio
import logging
import socket
import sys
from asyncio import base_events
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import Overload, error_response
from api.settings import DOCS_PATHS, DOCS_PREFIX, SWITCH_S, ApiOptions
from crossmodal.errors import AccessError, CrossmodalError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from api.local import LocalApi
    from engine.live import LiveApp

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.2
_GET, _POST = frozenset({"GET", "HEAD", "OPTIONS"}), frozenset({"POST", "OPTIONS"})
OUTSIDE_API = {
    **dict.fromkeys(("/health", "/metrics", *(DOCS_PATHS - {"/"})), _GET),
    **dict.fromkeys(("/upload", "/correct-query"), _POST),
    "/search": _GET | _POST,
}
"""Paths of the API that do not begin with `/api/`, with their methods; by any other they belong to the page."""

_STARTING = Overload(
    "busy", "The collection is being opened.", remedy="Come again in a moment; the page shows how far the start is."
)
_CLOSED = AccessError("forbidden", "The API of this server is closed.", remedy="Its log says why.")
_FAILED = CrossmodalError("internal", "The API could not be started.", remedy="The log has the details.")


class MountedApi:
    """Handles requests to the API's paths and passes all others to the page.

    Lies around Streamlit's application, not among its routes: its path checks, sessions and compression are for the page, and a request to
    the API meets exactly what it meets under `serve`. Belongs to one event loop.

    Args:
        running: the collection, or None while it is being opened.
        options: called when the collection is open.
        base_path: of the page's server, such as `/photos`; empty for none.
    """

    def __init__(self, running: "Callable[[], LiveApp | None]", options: Callable[[], ApiOptions], *, base_path: str = "") -> None:
        self._running = running
        self._options = options
        self._base_path = base_path
        self._api: FastAPI | None = None
        self._refusal: CrossmodalError = _STARTING

    def around(self, page: ASGIApp) -> ASGIApp:
        """The page's application with the API before it; a factory for `starlette.middleware.Middleware`."""

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            if not self._is_ours(scope):
                await page(scope, receive, send)
                return
            scope = {**scope, "root_path": self._base_path}
            await (self._api or error_response(self._refusal, scope))(scope, receive, send)

        return answer

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Open the API as soon as the collection is, and close it at the end; the collection stays open."""
        _answer_without_delay()
        sys.setswitchinterval(SWITCH_S)
        opening = asyncio.create_task(self._serve())
        try:
            yield
        finally:
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)

    def _is_ours(self, scope: Scope) -> bool:
        if scope["type"] != "http" or not scope["path"].startswith(f"{self._base_path}/"):
            return False
        path = scope["path"].removeprefix(self._base_path)
        return path.startswith(("/api/", DOCS_PREFIX)) or scope["method"] in OUTSIDE_API.get(path, ())

    async def _serve(self) -> None:
        while (app := self._running()) is None:  # the page starts it, and may retry
            await asyncio.sleep(_LOOK_EVERY_S)
        try:
            local = await asyncio.to_thread(_local, app)
            with local:
                await self._open(app)
        except Exception:  # no caller awaits this task: log the traceback, return a sentence to requests
            log.exception("the API could not be started")
            self._refusal = _FAILED

    async def _open(self, app: "LiveApp") -> None:
        from api.app import create_api

        try:
            api = create_api(app, replace(self._options(), root_path=self._base_path))
        except CrossmodalError as error:  # the shell is answered all the same
            log.warning("the API stays closed: %s", error.sentence)
            self._refusal = _CLOSED
            await asyncio.Event().wait()  # until it is cancelled
            return
        async with api.router.lifespan_context(api):
            self._api = api
            try:
                await asyncio.Event().wait()
            finally:
                self._api = None


def _local(app: "LiveApp") -> "LocalApi":
    from api.local import LocalApi  # takes a second to import, for which the page must not wait

    return LocalApi(app)


def _answer_without_delay() -> None:
    """Switch Nagle's algorithm off on the page's server. Its socket is made without a protocol number, by which asyncio tells whether a
    connection is TCP, and every answer on a connection that is kept open waited 44 ms for the other side's acknowledgement."""

    def set_nodelay(connection: socket.socket) -> None:
        if connection.family in (socket.AF_INET, socket.AF_INET6) and connection.type == socket.SOCK_STREAM:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    base_events._set_nodelay = set_nodelay  # type: ignore[attr-defined]
