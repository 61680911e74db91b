"""Request ids, metrics, and responses for unexpected exceptions."""

import asyncio
import logging
import secrets
import time

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import Overload, error_response
from api.metrics import Metrics
from crossmodal.errors import CrossmodalError

log = logging.getLogger(__name__)

_ENDING = Overload(
    "busy", "The server ends, and cannot wait for this any longer.", remedy="Come again, and look what was done of it."
)
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


class Observing:
    """Counts and times every request, gives it an id, and turns unexpected exceptions into a 500 response."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        reference, began, status = secrets.token_hex(6), time.perf_counter(), 0
        scope.setdefault("state", {})["reference"] = reference

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = reference
                headers["X-Content-Type-Options"] = "nosniff"
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        self._metrics.under_way.inc()
        try:
            await self._app(scope, receive, noted)
        except ClientDisconnect:  # disconnected while sending its body: counted as 499
            pass
        except Exception:  # the client gets the request id, the log the traceback
            log.exception("%s %.200r failed, reference %s", scope["method"], scope["path"], reference)
            if not status:
                await error_response(_internal(reference), scope)(scope, receive, noted)
        except asyncio.CancelledError:  # the server shuts down; this task ends here, so it need not be raised
            if not status:
                await error_response(_ENDING, scope)(scope, receive, noted)
        finally:
            self._metrics.under_way.dec()
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.note(method, _pattern(scope), status or 499, time.perf_counter() - began)


def _internal(reference: str) -> CrossmodalError:
    return CrossmodalError("internal", "Something went wrong inside the program.", remedy=f"Its log has more under {reference}.")


def _pattern(scope: Scope) -> str:
    """The route's pattern rather than the path, which bounds the number of metrics."""
    route = scope.get("route")
    return str(getattr(route, "path", "none"))
