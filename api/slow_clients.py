"""uvicorn's HTTP protocol with time limits for slow clients, which would otherwise hold connections for ever (slow loris)."""

import asyncio
import json
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

STALL_S = 30.0
STALL_BYTES = 32 * 2**10
"""A client that reads less than this within `STALL_S`, while more is waiting, is disconnected."""


class Counted:
    """A transport that counts the bytes written to it."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._written = 0

    def write(self, data: bytes) -> None:
        """See `asyncio.Transport`."""
        self._written += len(data)
        self._transport.write(data)

    @property
    def taken(self) -> int:
        """Bytes that have left the write buffer."""
        return self._written - self._transport.get_write_buffer_size()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class ReaderWatch:
    """Aborts a connection whose client stops reading, also one that was closed with data still in its buffer."""

    def __init__(self, transport: Counted, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._wanted = 0

    def begin(self) -> None:
        """Data was written: check later whether it was read."""
        waits = self._transport.get_write_buffer_size()
        if waits and self._timer is None:
            self._wanted = self._transport.taken + min(waits, STALL_BYTES)
            self._timer = self._loop.call_later(STALL_S, self._look)

    def end(self) -> None:
        """The connection is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._transport.taken < self._wanted:
            self._transport.abort()
        else:
            self.begin()


HEADER_TIMEOUT_S = 10.0
LINGER_S = 2.0
"""How long the rest of a body is discarded after the response, so that the client reads the response before the connection ends."""
MAX_HEADER_EVENT_BYTES = 256 * 2**10
"""Most bytes of headers that are read; fewer, but still too many, get 431 from `api.middleware.access`."""


class TimeoutProtocol(H11Protocol):
    """Closes a connection whose headers are not complete in time, that keeps sending after the response, or that does not read it. uvicorn
    itself limits only the idle time between two requests.

    Attributes:
        max_connections: beyond so many, the one idle for longest is closed, so that file descriptors do not run out.
    """

    max_connections = 256

    _timer: asyncio.TimerHandle | None = None
    _lingers = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._idle_since = self.loop.time()

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way."""
        return self.cycle is None or bool(self.cycle.response_complete)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol`."""
        counted = Counted(transport)
        self._reader = ReaderWatch(counted, self.loop)
        super().connection_made(counted)  # type: ignore[arg-type]
        self._close_in(HEADER_TIMEOUT_S)
        self._make_room()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        super().data_received(data)
        if not self.is_idle:
            self._stop_timer()
        elif self.conn.their_state is h11.IDLE and (self._timer is None or self._lingers):
            self._close_in(HEADER_TIMEOUT_S)

    def on_response_complete(self) -> None:
        """As uvicorn, and start the limits for the rest of the body and of the response."""
        self._idle_since = self.loop.time()
        super().on_response_complete()
        if self.is_idle and self.conn.their_state is h11.SEND_BODY:
            self._close_in(LINGER_S, lingers=True)
        self._reader.begin()

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        super().pause_writing()
        self._reader.begin()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._stop_timer()
        self._reader.end()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  as uvicorn calls it
        """Refuse bytes that are not HTTP."""
        said = {"code": "bad_request", "message": "This is not a valid HTTP request.", "remedy": ""}
        body = json.dumps({"error": said}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), (b"connection", b"close")]
        events: list[Any] = [
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ]
        for event in events:
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
        self._reader.begin()

    def _close_in(self, seconds: float, *, lingers: bool = False) -> None:
        self._stop_timer()
        self._lingers = lingers
        self._timer = self.loop.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        self._timer = None
        if self.transport is not None and not self.transport.is_closing():
            self.transport.close()

    def _stop_timer(self) -> None:
        self._lingers = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _make_room(self) -> None:
        there: list[Any] = [each for each in self.connections if not each.transport.is_closing()]
        if len(there) > self.max_connections:
            idle = [each for each in there if each.is_idle and each is not self]
            least = min(idle, key=lambda each: each._idle_since, default=self)
            least.transport.abort()
