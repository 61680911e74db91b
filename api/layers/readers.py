"""Clients that do not read what they asked for."""

import asyncio
from typing import Any

STALL_S = 30.0
STALL_BYTES = 32 * 2**10
"""A client that takes less than this in that time, and not all that waits for it, is given up."""


class Counted:
    """A transport that knows how much it was given to write."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._written = 0

    def write(self, data: bytes) -> None:
        """See `asyncio.Transport`."""
        self._written += len(data)
        self._transport.write(data)

    @property
    def taken(self) -> int:
        """How much of it the client's side has taken, in bytes."""
        return self._written - self._transport.get_write_buffer_size()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class ReaderWatch:
    """Ends a connection whose client stops reading, also one that was closed with an answer still waiting."""

    def __init__(self, transport: Counted, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._wanted = 0

    def begin(self) -> None:
        """Something was written: look again later whether it was read."""
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
