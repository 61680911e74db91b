"""How much is let in: requests at once, and requests a minute of one client."""

import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.types import ASGIApp, Receive, Scope, Send

from api.answered.errors import Overload, error_response
from api.options import ApiOptions

ALWAYS = frozenset({"/health"})


class Throttle:
    """Answers 429 or 503 with `Retry-After` instead of letting requests pile up. `/health` always passes.

    A client is its key where `api.layers.gate` knows it, else its address: made-up keys make no new clients.
    """

    def __init__(self, app: ASGIApp, options: ApiOptions) -> None:
        self._app = app
        self._options = options
        self._under_way = 0
        self._limit = RateLimitItemPerMinute(options.requests_per_minute) if options.requests_per_minute else None
        self._limiter = FixedWindowRateLimiter(MemoryStorage()) if self._limit else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["path"] in ALWAYS:
            await self._app(scope, receive, send)
            return
        wait_s = self._wait_s(scope)
        if wait_s:
            error = Overload(
                "rate_limited", f"More than {self._options.requests_per_minute} requests in a minute.", remedy="Come again later."
            )
            await error_response(error, scope, headers=[("Retry-After", str(wait_s))])(scope, receive, send)
        elif self._under_way >= self._options.max_concurrent:
            error = Overload("busy", f"{self._under_way} requests are under way already.", remedy="Come again in a moment.")
            await error_response(error, scope)(scope, receive, send)
        else:
            self._under_way += 1
            try:
                await self._app(scope, receive, send)
            finally:
                self._under_way -= 1

    def _wait_s(self, scope: Scope) -> int:
        """0 when the client may go on, else how long it has to wait."""
        if self._limiter is None or self._limit is None:
            return 0
        client = scope.get("state", {}).get("client_key") or (scope.get("client") or ("unknown",))[0]
        if self._limiter.hit(self._limit, client):
            return 0
        return max(1, math.ceil(self._limiter.get_window_stats(self._limit, client).reset_time - time.time()))
