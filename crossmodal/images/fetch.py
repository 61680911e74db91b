"""An address -> the bytes behind it. The only place that asks the network for what a person or a catalogue names.

The address may be hostile, and so may its server. Therefore: a name is looked up once for each hop, *every* address it stands
for must be public, and the socket is opened to one of those addresses and not to the name; redirects are followed by hand under the
same rules; one deadline covers all of it; bytes are counted on the wire and after unpacking; nothing of the person travels along
(cookies, passwords, proxy settings, referrer); bodies of redirects and errors are not read.
"""

import http.client
import io
import logging
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any

import certifi
import requests
import requests.adapters
import urllib3
import urllib3.connection

from crossmodal.errors import FetchError
from crossmodal.images.addresses import DEFAULT_PORTS, UPLOAD_INSTEAD, Address, AllowList, check_address, parse_address
from crossmodal.images.bodies import bad_response, read_body
from crossmodal.images.hop import Deadline, Dial, Hop, TooMuchBesidesError, Wire, dial
from crossmodal.images.names import Resolve, route

REDIRECTS = (301, 302, 303, 307, 308)
READ_BYTES = 64 * 2**10

# urllib3 logs whole addresses, and the query of an address may hold a key.
logging.getLogger("urllib3").setLevel(logging.ERROR)


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """What one fetch may cost.

    Attributes:
        timeout_s: longest time; names, redirects and reading included.
        max_bytes: most bytes of a picture, before and after unpacking.
        max_redirects: most redirects followed.
        ports: ports that are asked.
        user_agent: how we introduce ourselves.
    """

    timeout_s: float = 8.0
    max_bytes: int = 20 * 2**20
    max_redirects: int = 4
    ports: tuple[int, ...] = tuple(DEFAULT_PORTS.values())
    user_agent: str = "crossmodal-visual-search/0.1"


class Fetcher:
    """Fetches pictures from the public network. Threads may share one.

    Args:
        limits: see `FetchLimits`.
        allow: `host:port` or `host` of the person's own network that may be asked besides public addresses, at other ports too.
        resolve: `socket.getaddrinfo`, or a test's.
        dial: opens a socket to an IP address (address, port, seconds), or a test's that leads elsewhere.
        tls: which certificates are trusted; None for the public authorities.
    """

    def __init__(
        self,
        limits: FetchLimits,
        *,
        allow: Iterable[str] = (),
        resolve: Resolve = socket.getaddrinfo,
        dial: Dial = dial,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.limits = limits
        self._allow = AllowList(allow)
        self._resolve = resolve
        self._dial = dial
        self._tls = tls

    def fetch(self, url: str) -> bytes:
        """The bytes behind an address, whatever its server calls them; possibly none.

        Raises:
            AddressError: the address, or one it redirects to, is refused: `url_malformed`, `url_scheme`, `url_blocked_address`,
                `url_blocked_port`.
            FetchError: `dns_failed` (the name has no address, or not only public ones: the two are not told apart),
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
        """One hop: the body, or the next address."""
        check_address(address, ports=self.limits.ports, allow=self._allow)
        ips = route(address, resolve=self._resolve, allowed=address in self._allow, timeout_s=deadline.left())
        hop = Hop(address, ips, deadline=deadline, dial=self._dial)
        with _Adapter(hop, self._tls_context() if address.scheme == "https" else None) as adapter:
            try:
                with adapter.send(self._request(address), stream=True, timeout=deadline.left()) as response:
                    return self._read(response, hop)
            except (requests.RequestException, urllib3.exceptions.HTTPError, TooMuchBesidesError, OSError) as error:
                raise self._failure(hop, error) from error

    def _request(self, address: Address) -> requests.PreparedRequest:
        # Prepared without a session: a session would add cookies, passwords of .netrc and proxies of the environment.
        headers = {
            "User-Agent": self.limits.user_agent,
            "Accept": "image/*,*/*;q=0.5",
            "Accept-Encoding": "identity",
            "Connection": "close",
        }
        return requests.Request("GET", address.url, headers=headers).prepare()

    def _read(self, response: requests.Response, hop: Hop) -> bytes | Address:
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

    def _failure(self, hop: Hop, error: Exception) -> FetchError:
        if hop.deadline.over:
            return self._too_slow()
        if isinstance(error, TooMuchBesidesError):
            return bad_response("it sent too much besides the picture")
        if hop.open:
            return bad_response("it broke off or does not follow the rules of the web")
        reason = f" ({hop.tls_problem})" if hop.tls_problem else ""
        return FetchError("connect_failed", f"{hop.address.host} could not be reached{reason}.", remedy=UPLOAD_INSTEAD)

    def _too_slow(self) -> FetchError:
        what = f"That address took longer than {self.limits.timeout_s:g} seconds."
        return FetchError("timeout", what, remedy="Try again later, or save the picture and upload it.")


def _location(response: requests.Response) -> str:
    places = {place.strip() for place in response.raw.headers.getlist("Location")} - {""}
    if len(places) != 1:
        raise bad_response("it redirects without saying where")
    place = str(places.pop())
    try:
        return place.encode("latin-1").decode()  # header bytes arrive as latin-1; servers mean UTF-8
    except UnicodeError:
        return place


def _status(code: int) -> str:
    """`404 (not found)`, or the bare number where the web has no words for it."""
    try:
        return f"{code} ({HTTPStatus(code).phrase.lower()})"
    except ValueError:
        return str(code)


class _Answer(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, hop: Hop, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(Wire(sock, hop))


class _Connection(urllib3.connection.HTTPConnection):
    """Connects where the hop says. The name stays in the Host header and nowhere else."""

    def __init__(self, *args: Any, hop: Hop, **kwargs: Any) -> None:
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
    """The same with TLS: the name is what the certificate must be for."""


class _Adapter(requests.adapters.HTTPAdapter):
    """Sends one request over one new connection of ours."""

    def __init__(self, hop: Hop, tls: ssl.SSLContext | None) -> None:
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
        """The TLS context verifies; what `requests` would load comes on top of it, and anew for each connection."""

    def close(self) -> None:
        self._pool.close()
        super().close()

    def __enter__(self) -> "_Adapter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
