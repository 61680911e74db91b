"""Fetch the bytes behind a URL. The only place that makes requests to URLs given by users or sources.

Both the URL and its server may be hostile. Therefore: a host name is resolved once per hop, *every* address it resolves to must be
public, and the socket is opened to one of those addresses, not to the name; redirects are followed here under the same rules; one
deadline covers everything; bytes are counted on the wire and after decompression; no user data is sent (cookies, passwords, proxy
settings, referrer); bodies of redirects and errors are not read.
"""

import http.client
import io
import logging
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, Protocol

import certifi
import requests
import requests.adapters
import urllib3
import urllib3.connection

from crossmodal.errors import FetchError
from crossmodal.images.public_address import (
    DEFAULT_PORTS,
    UPLOAD_INSTEAD,
    Address,
    AllowList,
    Resolve,
    check_address,
    parse_address,
    route,
)
from crossmodal.installation import VERSION

MAX_DIALS = 4
MAX_OVERHEAD_BYTES = 2**20  # headers, chunk framing and read-ahead; a well-behaved response stays far below

Connector = Callable[[str, int, float], socket.socket]


class OverheadError(Exception):
    """The server sent more than `MAX_OVERHEAD_BYTES` that are not part of the picture."""


class Deadline:
    """An absolute time limit, `seconds` from now by `clock`."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + seconds

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return self._clock() >= self._end

    def left(self) -> float:
        """Seconds left, above 0. Raises TimeoutError when the time is up."""
        left = self._end - self._clock()
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


class SingleRequest:
    """One request: the addresses it may connect to, its deadline, and its count of received bytes.

    Args:
        route: checked IP addresses, in the order to try them.
        dial: opens a socket; takes IP address, port, timeout in seconds.

    Attributes:
        open: the connection is established, including TLS for https.
        tls_problem: why TLS failed, or empty.
    """

    def __init__(self, address: Address, route: list[str], *, deadline: Deadline, dial: Connector) -> None:
        self.address = address
        self.deadline = deadline
        self.open = False
        self.tls_problem = ""
        self._route = route[:MAX_DIALS]
        self._dial = dial
        self._besides = 0

    def connect(self) -> socket.socket:
        """Connect to the first address that accepts. Each address gets an equal share of the time left. Raises OSError."""
        for left in range(len(self._route), 1, -1):
            try:
                return self._dial(self._route[-left], self.address.port, self.deadline.left() / left)
            except OSError:  # try the next address
                continue
        return self._dial(self._route[-1], self.address.port, self.deadline.left())

    def count(self, received: int) -> None:
        """Count bytes read from the socket. Raises OverheadError if too many are not part of the picture."""
        self._besides += received
        if self._besides > MAX_OVERHEAD_BYTES:
            raise OverheadError

    def body(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the pieces of the picture and subtract them from the count."""
        for piece in pieces:
            self._besides -= len(piece)
            yield piece


class CountingReader(io.RawIOBase):
    """Reads a socket. Every read is limited by the deadline, so a server that sends slowly gains no time."""

    def __init__(self, sock: socket.socket, hop: SingleRequest) -> None:
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


class _Unpacker(Protocol):
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Plain:
    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return data[:max_length]


def read_body(pieces: Iterable[bytes], *, encoding: str, length: int | None, max_bytes: int) -> bytes:
    """Join and decompress the pieces of a response body.

    Args:
        pieces: the body; reading stops at the first piece beyond `max_bytes`.
        encoding: the Content-Encoding of the response. None is requested; gzip and deflate are accepted anyway.
        length: the declared length, or None.
        max_bytes: limit before and after decompression.

    Returns:
        The bytes, possibly empty.

    Raises:
        FetchError: `too_large` (before reading if the declared length exceeds the limit), `bad_response` for a broken or unknown
            encoding.
    """
    if length is not None and length > max_bytes:
        raise too_large(max_bytes)
    unpacker = _unpacker(encoding)
    body = bytearray()
    packed = 0
    for piece in pieces:
        packed += len(piece)
        body += _unpack(unpacker, piece, max_bytes - len(body) + 1)
        if packed > max_bytes or len(body) > max_bytes:
            raise too_large(max_bytes)
    if packed and not getattr(unpacker, "eof", True):
        raise bad_response("its compressed response ended too early")
    return bytes(body)


def too_large(max_bytes: int) -> FetchError:
    """The error for a response of more than `max_bytes`."""
    what = f"The picture at that address is larger than {max_bytes / 2**20:.3g} MB."
    return FetchError("too_large", what, remedy="Save a smaller copy and upload that.")


def bad_response(reason: str) -> FetchError:
    """The error for a response that violates HTTP; `reason` completes the sentence."""
    return FetchError("bad_response", f"That address sent a response that cannot be read: {reason}.", remedy=UPLOAD_INSTEAD)


def _unpacker(encoding: str) -> _Unpacker:
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return _Plain()
    if encoding in ("gzip", "x-gzip", "deflate"):
        return zlib.decompressobj(zlib.MAX_WBITS | 32)  # 32: the header says whether it is gzip or zlib
    raise bad_response(f"it is compressed as '{encoding[:40]}'")


def _unpack(unpacker: _Unpacker, piece: bytes, room: int) -> bytes:
    try:
        return unpacker.decompress(piece, room)
    except zlib.error as error:
        raise bad_response("its compressed response is broken") from error


REDIRECTS = (301, 302, 303, 307, 308)
READ_BYTES = 64 * 2**10

# urllib3 logs full URLs, and the query of a URL may contain a key.
logging.getLogger("urllib3").setLevel(logging.ERROR)


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """Limits of one fetch.

    Attributes:
        timeout_s: total time, including name resolution, redirects and reading.
        max_bytes: size limit of a picture, before and after decompression.
        max_redirects: most redirects followed.
        ports: accepted ports.
        user_agent: value of the User-Agent header.
    """

    timeout_s: float = 8.0
    max_bytes: int = 20 * 2**20
    max_redirects: int = 4
    ports: tuple[int, ...] = tuple(DEFAULT_PORTS.values())
    user_agent: str = f"crossmodal-visual-search/{VERSION}"


class Fetcher:
    """Fetches pictures from the public network. Thread-safe.

    Args:
        limits: see `FetchLimits`.
        allow: `host:port` or `host` entries of the user's own network that are accepted besides public addresses, on any port given.
        resolve: `socket.getaddrinfo` or a replacement.
        dial: opens a socket; takes IP address, port, timeout in seconds.
        tls: TLS context; None trusts the public certificate authorities.
    """

    def __init__(
        self,
        limits: FetchLimits,
        *,
        allow: Iterable[str] = (),
        resolve: Resolve = socket.getaddrinfo,
        dial: Connector = dial,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.limits = limits
        self._allow = AllowList(allow)
        self._resolve = resolve
        self._dial = dial
        self._tls = tls

    def fetch(self, url: str) -> bytes:
        """Return the bytes behind a URL, whatever their declared content type; possibly empty.

        Raises:
            AddressError: the URL, or one it redirects to, is refused: `url_malformed`, `url_scheme`, `url_blocked_address`,
                `url_blocked_port`.
            FetchError: `dns_failed` (the name has no address, or a non-public one; deliberately the same error),
                `connect_failed`, `timeout`, `too_many_redirects`, `http_status`, `bad_response`, `too_large`.
        """
        deadline = Deadline(self.limits.timeout_s)
        address = parse_address(url)
        for _ in range(self.limits.max_redirects + 1):
            try:
                answer = self._ask(address, deadline)
            except TimeoutError as error:
                raise self._too_slow() from error
            if isinstance(answer, bytes):
                return answer
            address = answer
        what = f"That address redirects more than {self.limits.max_redirects} times."
        raise FetchError("too_many_redirects", what, remedy=UPLOAD_INSTEAD)

    def _ask(self, address: Address, deadline: Deadline) -> bytes | Address:
        """Make one request. Returns the body, or the address of a redirect."""
        check_address(address, ports=self.limits.ports, allow=self._allow)
        ips = route(address, resolve=self._resolve, allowed=address in self._allow, timeout_s=deadline.left())
        hop = SingleRequest(address, ips, deadline=deadline, dial=self._dial)
        with _Adapter(hop, self._tls_context() if address.scheme == "https" else None) as adapter:
            try:
                with adapter.send(self._request(address), stream=True, timeout=deadline.left()) as response:
                    return self._read(response, hop)
            except (requests.RequestException, urllib3.exceptions.HTTPError, OverheadError, OSError) as error:
                raise self._failure(hop, error) from error

    def _request(self, address: Address) -> requests.PreparedRequest:
        # Prepared without a session, which would add cookies, .netrc passwords and environment proxies.
        headers = {
            "User-Agent": self.limits.user_agent,
            "Accept": "image/*,*/*;q=0.5",
            "Accept-Encoding": "identity",
            "Connection": "close",
        }
        return requests.Request("GET", address.url, headers=headers).prepare()

    def _read(self, response: requests.Response, hop: SingleRequest) -> bytes | Address:
        if response.status_code in REDIRECTS:
            return parse_address(_location(response), base=hop.address)
        if response.status_code != HTTPStatus.OK:
            raise FetchError("http_status", f"That address answered {_status(response.status_code)}.", remedy=UPLOAD_INSTEAD)
        raw: urllib3.HTTPResponse = response.raw
        pieces = hop.body(iter(partial(raw.read, READ_BYTES, decode_content=False), b""))
        encoding = response.headers.get("Content-Encoding", "")
        return read_body(pieces, encoding=encoding, length=raw.length_remaining, max_bytes=self.limits.max_bytes)

    def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context(cafile=certifi.where())
        return self._tls

    def _failure(self, hop: SingleRequest, error: Exception) -> FetchError:
        if hop.deadline.over:
            return self._too_slow()
        if isinstance(error, OverheadError):
            return bad_response("it sent too much data besides the picture")
        if hop.open:
            return bad_response("it was cut off or violates HTTP")
        reason = f" ({hop.tls_problem})" if hop.tls_problem else ""
        return FetchError("connect_failed", f"{hop.address.host} could not be reached{reason}.", remedy=UPLOAD_INSTEAD)

    def _too_slow(self) -> FetchError:
        what = f"That address took longer than {self.limits.timeout_s:g} seconds."
        return FetchError("timeout", what, remedy="Try again later, or save the picture and upload it.")


def _location(response: requests.Response) -> str:
    places = {place.strip() for place in response.raw.headers.getlist("Location")} - {""}
    if len(places) != 1:
        raise bad_response("it redirects without a target")
    place = str(places.pop())
    try:
        return place.encode("latin-1").decode()  # header bytes arrive as latin-1; servers mean UTF-8
    except UnicodeError:
        return place


def _status(code: int) -> str:
    """`404 (not found)`, or the bare number of an unknown status."""
    try:
        return f"{code} ({HTTPStatus(code).phrase.lower()})"
    except ValueError:
        return str(code)


class _Answer(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, hop: SingleRequest, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(CountingReader(sock, hop))


class _Connection(urllib3.connection.HTTPConnection):
    """Connects to the checked addresses of `hop`. The host name is used only in the Host header."""

    def __init__(self, *args: Any, hop: SingleRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._hop = hop
        self.response_class = partial(_Answer, hop=hop)  # type: ignore[assignment]  # only ever called

    def _new_conn(self) -> socket.socket:
        return self._hop.connect()

    def connect(self) -> None:
        try:
            super().connect()
        except ssl.SSLError as error:
            self._hop.tls_problem = getattr(error, "verify_message", "") or "no encrypted connection"
            raise
        self._hop.open = True


class _SecureConnection(_Connection, urllib3.connection.HTTPSConnection):
    """The same with TLS; the certificate must match the host name."""


class _Adapter(requests.adapters.HTTPAdapter):
    """Sends one request over a new `_Connection`."""

    def __init__(self, hop: SingleRequest, tls: ssl.SSLContext | None) -> None:
        super().__init__()
        host, port = hop.address.host, hop.address.port
        self._pool: urllib3.HTTPConnectionPool
        if tls is None:
            self._pool = urllib3.HTTPConnectionPool(host, port, hop=hop)
            self._pool.ConnectionCls = _Connection
        else:
            self._pool = urllib3.HTTPSConnectionPool(host, port, hop=hop, ssl_context=tls)
            self._pool.ConnectionCls = _SecureConnection

    def get_connection_with_tls_context(self, *_args: Any, **_kwargs: Any) -> urllib3.HTTPConnectionPool:
        return self._pool

    def cert_verify(self, *_args: Any, **_kwargs: Any) -> None:
        """Does nothing: the TLS context verifies, and `requests` would load its own certificates for each connection."""

    def close(self) -> None:
        self._pool.close()
        super().close()

    def __enter__(self) -> "_Adapter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
