"""One request's way through the network: its deadline, its socket, and every byte on it counted.

Part of `crossmodal.images.fetch`, which alone uses it; apart from it so that both can be read.
"""

import io
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from crossmodal.images.addresses import Address

MAX_DIALS = 4
MAX_OVERHEAD_BYTES = 2**20  # headers, chunk marks and what was read ahead; an honest answer stays far below

Dial = Callable[[str, int, float], socket.socket]


class TooMuchBesidesError(Exception):
    """The server sends and sends, and it is not the picture."""


class Deadline:
    """A point in time that no wait goes beyond."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def over(self) -> bool:
        """Whether there is no time left."""
        return time.monotonic() >= self._end

    def left(self) -> float:
        """Seconds left, above 0. TimeoutError when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def dial(address: str, port: int, timeout_s: float) -> socket.socket:
    """Connect to an IP address. Raises OSError."""
    connection = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        connection.connect((address, port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        connection.close()
        raise
    return connection


class Hop:
    """One request: where it may connect, until when, and how much came.

    Args:
        route: IP addresses that were checked, in the order to try them.
        dial: opens a socket to an IP address: address, port, seconds.

    Attributes:
        open: the connection stands, encrypted where it should be.
        tls_problem: why no encrypted connection came about, or empty.
    """

    def __init__(self, address: Address, route: list[str], *, deadline: Deadline, dial: Dial) -> None:
        self.address = address
        self.deadline = deadline
        self.open = False
        self.tls_problem = ""
        self._route = route[:MAX_DIALS]
        self._dial = dial
        self._besides = 0

    def connect(self) -> socket.socket:
        """A socket to the first address that takes it; an address that hangs leaves time for the next. Raises OSError."""
        for left in range(len(self._route), 1, -1):
            try:
                return self._dial(self._route[-left], self.address.port, self.deadline.left() / left)
            except OSError:  # the next address has its turn
                continue
        return self._dial(self._route[-1], self.address.port, self.deadline.left())

    def count(self, received: int) -> None:
        """Bytes came off the wire. Raises TooMuchBesidesError when too many of them are not the picture's."""
        self._besides += received
        if self._besides > MAX_OVERHEAD_BYTES:
            raise TooMuchBesidesError

    def body(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """The pieces of the picture, passed on and taken off the count."""
        for piece in pieces:
            self._besides -= len(piece)
            yield piece


class Wire(io.RawIOBase):
    """A socket's bytes. Every single wait gets what is left of the deadline: a server that drips wins no time."""

    def __init__(self, sock: socket.socket, hop: Hop) -> None:
        self._sock = sock
        self._hop = hop
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(self._hop.deadline.left())
        received = self._raw.readinto(buffer) or 0
        self._hop.count(received)
        return received

    def close(self) -> None:
        self._raw.close()
        super().close()
