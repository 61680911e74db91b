"""Limits of request bodies, response time, rate and concurrency."""

import asyncio
import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import Overload, error_response, path_of
from api.settings import ApiOptions
from crossmodal.errors import CrossmodalError, QueryError

_PIECE_BYTES = 64 * 2**10
_OF_MANY_WORDS = ("/api/search/batch", "/api/items", "/upload")
"""Endpoints with large JSON bodies: many queries, or the words of many items."""


class _Refused(Exception):
    """Ends a request with `error` as its response, with `status`."""

    def __init__(self, error: CrossmodalError, status: int) -> None:
        super().__init__(str(error))
        self.error = error
        self.status = status


class Intake:
    """Limits the size of a body as it arrives, whatever its headers claim, and the time of a request.

    The rest of a refused body is discarded by `api.slow_clients`, or the connection is closed.
    """

    def __init__(self, app: ASGIApp, options: ApiOptions) -> None:
        self._app = app
        self._options = options
        self._held = _Held(options.max_bodies_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = _Request(scope, receive, send, self._options, self._held)
        try:
            request.check_claim()
            async with asyncio.timeout(self._options.request_timeout_s) as request.deadline:
                await self._app(scope, request.receive, request.send)
        except (_Refused, TimeoutError) as ended:
            late = request.deadline is not None and request.deadline.expired()
            if request.answering or (isinstance(ended, TimeoutError) and not late):  # a timeout raised inside is an internal error
                raise
            if isinstance(ended, TimeoutError):
                what = f"No answer was found within {self._options.request_timeout_s:g} seconds."
                ended = _Refused(Overload("busy", what, remedy="Come again in a moment."), 503)
            await error_response(ended.error, scope, status=ended.status)(scope, receive, send)
        finally:
            request.close()


class _Held:
    """Total size of the bodies in memory."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._bytes = 0

    def take(self, size: int) -> None:
        """Raises `_Refused` beyond the limit."""
        if self._bytes + size > self._most:
            what = f"The requests under way have more than {self._most / 2**20:g} MB already."
            raise _Refused(Overload("busy", what, remedy="Come again in a moment."), 503)
        self._bytes += size

    def give_back(self, size: int) -> None:
        """Release the bytes of a request that has ended."""
        self._bytes -= size


class _Request:
    """One request under way."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, options: ApiOptions, held: _Held) -> None:
        headers = dict(scope["headers"])
        is_form = headers.get(b"content-type", b"").lower().startswith(b"multipart/")
        self._most_json = min(options.max_json_bytes, options.max_body_bytes)
        self._most = options.max_body_bytes if is_form else self._most_json
        if not is_form and not path_of(scope).startswith(_OF_MANY_WORDS):
            self._most = min(options.max_question_bytes, self._most_json)
        self._held = held
        self._taken = 0
        self._claim: bytes = headers.get(b"content-length", b"0")
        self._receive = receive
        self._send = send
        self._body_s = options.body_timeout_s
        self._body_ends_at: float | None = None
        self._size = 0
        self._complete = False
        self.answering = False
        self.deadline: asyncio.Timeout | None = None

    def check_claim(self) -> None:
        """Raises `_Refused` if the declared length is too large."""
        if not self._claim.isdigit() or len(self._claim) > 18 or int(self._claim) > self._most:
            raise self._too_large(int(self._claim) if self._claim.isdigit() and len(self._claim) <= 18 else None)

    async def receive(self) -> Message:
        """The next part of the body."""
        if self._complete:
            return await self._receive()  # waits for the client to disconnect
        now = asyncio.get_running_loop().time()
        if self._body_ends_at is None:
            self._body_ends_at = now + self._body_s
        try:
            async with asyncio.timeout_at(self._body_ends_at):
                message = await self._receive()
        except TimeoutError:
            what = f"The body did not arrive within {self._body_s:g} seconds."
            raise _Refused(Overload("timeout", what, remedy="Send less at once, or over a faster line."), 408) from None
        arrived = len(message.get("body", b""))
        self._size += arrived
        self._complete = not message.get("more_body", False)
        if self._size > self._most:
            raise self._too_large(self._size)
        self._held.take(arrived)
        self._taken += arrived
        return message

    def close(self) -> None:
        """Release the body when the request has ended."""
        self._held.give_back(self._taken)

    async def send(self, message: Message) -> None:
        """Send the response; from here on the request timeout no longer applies.

        In pieces, so that uvicorn's flow control holds the request until the client has read most of a large response; sent at once, it
        would stay in the connection's buffer, uncounted, after the request has ended.
        """
        if message["type"] == "http.response.start":
            self.answering = True
            if self.deadline is not None:
                self.deadline.reschedule(None)
        body: bytes = message.get("body", b"")
        start = 0
        while len(body) - start > _PIECE_BYTES:
            await self._send({**message, "body": body[start : start + _PIECE_BYTES], "more_body": True})
            start += _PIECE_BYTES
        await self._send({**message, "body": body[start:]} if start else message)

    def _too_large(self, size: int | None) -> _Refused:
        if size is not None and self._most < size <= self._most_json:  # not a picture, and more than any accepted text
            what = f"The body is larger than {self._most / 2**10:g} KB, which no text that is read needs."
            return _Refused(QueryError("text_too_long", what, remedy="Shorten the text."), 413)
        most = f"{self._most / 2**20:g} MB" if self._most >= 2**20 else f"{self._most / 2**10:g} KB"
        error = CrossmodalError("too_large", f"The body is larger than {most}.", remedy="Send less at once.")
        return _Refused(error, 413)


ALWAYS = frozenset({"/health"})


class Throttle:
    """Refuses requests beyond the rate or concurrency with 429 or 503 and `Retry-After`. `/health` always passes.

    A client is identified by its valid key, otherwise by its address, so that invalid keys do not evade the rate.
    """

    def __init__(self, app: ASGIApp, options: ApiOptions) -> None:
        self._app = app
        self._options = options
        self._under_way = 0
        self._limit = RateLimitItemPerMinute(options.requests_per_minute) if options.requests_per_minute else None
        self._limiter = FixedWindowRateLimiter(MemoryStorage()) if self._limit else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or path_of(scope) in ALWAYS:
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
        """Seconds that the client has to wait; 0 if the request is allowed."""
        if self._limiter is None or self._limit is None:
            return 0
        client = scope.get("state", {}).get("client_key") or (scope.get("client") or ("unknown",))[0]
        if self._limiter.hit(self._limit, client):
            return 0
        return max(1, math.ceil(self._limiter.get_window_stats(self._limit, client).reset_time - time.time()))
