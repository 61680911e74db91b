"""What a body may weigh and how long it may take, and how long an answer may be waited for."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import error_response
from api.options import ApiOptions
from crossmodal.errors import BusyError, CrossmodalError


class _Refused(Exception):
    """Ends the work on a request from inside; the answer is `error` with `status`."""

    def __init__(self, error: CrossmodalError, status: int) -> None:
        super().__init__(str(error))
        self.error = error
        self.status = status


class Intake:
    """Counts a body while it arrives, whatever its headers claim, and ends what takes too long."""

    def __init__(self, app: ASGIApp, options: ApiOptions) -> None:
        self._app = app
        self._options = options

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = _Request(scope, receive, send, self._options)
        try:
            request.check_claim()
            async with asyncio.timeout(self._options.request_timeout_s) as request.deadline:
                await self._app(scope, request.receive, request.send)
        except (_Refused, TimeoutError) as ended:
            if request.answering:
                raise
            if isinstance(ended, TimeoutError):
                what = f"No answer was found within {self._options.request_timeout_s:g} seconds."
                ended = _Refused(BusyError("busy", what, remedy="Come again in a moment."), 503)
            # The rest of the body is not read: the connection cannot be used again.
            answer = error_response(ended.error, scope, status=ended.status, headers=[("Connection", "close")])
            await answer(scope, receive, send)


class _Request:
    """One request under way."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, options: ApiOptions) -> None:
        headers = dict(scope["headers"])
        is_form = headers.get(b"content-type", b"").lower().startswith(b"multipart/")
        self._most = options.max_body_bytes if is_form else min(options.max_json_bytes, options.max_body_bytes)
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
        """Raises `_Refused` for a length that is too large already as it is announced."""
        if not self._claim.isdigit() or len(self._claim) > 18 or int(self._claim) > self._most:
            raise self._too_large()

    async def receive(self) -> Message:
        """The next part of the body."""
        if self._complete:
            return await self._receive()  # waiting for the client to go away is no part of the body
        now = asyncio.get_running_loop().time()
        if self._body_ends_at is None:
            self._body_ends_at = now + self._body_s
        try:
            async with asyncio.timeout_at(self._body_ends_at):
                message = await self._receive()
        except TimeoutError:
            what = f"The body did not arrive within {self._body_s:g} seconds."
            raise _Refused(BusyError("timeout", what, remedy="Send less at once, or over a faster line."), 408) from None
        self._size += len(message.get("body", b""))
        self._complete = not message.get("more_body", False)
        if self._size > self._most:
            raise self._too_large()
        return message

    async def send(self, message: Message) -> None:
        """Pass on the answer; from here on only the client decides how long it takes."""
        if message["type"] == "http.response.start":
            self.answering = True
            if self.deadline is not None:
                self.deadline.reschedule(None)
        await self._send(message)

    def _too_large(self) -> _Refused:
        error = CrossmodalError("too_large", f"The body is larger than {self._most / 2**20:g} MB.", remedy="Send less at once.")
        return _Refused(error, 413)
