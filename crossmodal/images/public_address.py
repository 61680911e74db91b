"""Parse and check URLs before any request, and resolve host names to public addresses only.

A URL is parsed once and reassembled from its parts. Requests use the result, never the original text, so that two parsers cannot
disagree about its host. The text alone is never trusted: what a *name* resolves to is checked right before connecting
(`crossmodal.images.fetch`).
"""

import contextlib
import math
import queue
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import idna

from crossmodal.errors import AddressError, FetchError

IPAddress = IPv4Address | IPv6Address

SPECIAL_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this host (RFC 791)
        "10.0.0.0/8",  # private (RFC 1918)
        "100.64.0.0/10",  # carrier NAT, also some clouds' metadata (RFC 6598)
        "127.0.0.0/8",  # loopback (RFC 1122)
        "168.63.129.16/32",  # Azure's wire server: a public address reachable only from inside
        "169.254.0.0/16",  # link-local, most clouds' metadata (RFC 3927)
        "172.16.0.0/12",  # private (RFC 1918)
        "192.0.0.0/24",  # protocol assignments, Oracle's metadata (RFC 6890)
        "192.0.2.0/24",  # documentation (RFC 5737)
        "192.31.196.0/24",  # AS112 (RFC 7535)
        "192.52.193.0/24",  # AMT (RFC 7450)
        "192.88.99.0/24",  # 6to4 relays (RFC 7526)
        "192.168.0.0/16",  # private (RFC 1918)
        "192.175.48.0/24",  # AS112 (RFC 7534)
        "198.18.0.0/15",  # benchmarks (RFC 2544)
        "198.51.100.0/24",  # documentation (RFC 5737)
        "203.0.113.0/24",  # documentation (RFC 5737)
        "224.0.0.0/4",  # multicast (RFC 5771)
        "240.0.0.0/4",  # reserved and broadcast (RFC 1112, RFC 919)
    )
)
"""IPv4 networks that are never contacted."""

GLOBAL_UNICAST_V6 = IPv6Network("2000::/3")
"""The one part of IPv6 in use for the public network (RFC 4291). It leaves out loopback, mapped and compatible IPv4 (::/96,
::ffff:0:0/96), NAT64 (64:ff9b::/96, 64:ff9b:1::/48), discard (100::/64), SRv6 (5f00::/16), private (fc00::/7), link-local
(fe80::/10), site-local (fec0::/10) and multicast (ff00::/8)."""

SPECIAL_V6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks (RFC 2928)
        "2001:db8::/32",  # documentation (RFC 3849)
        "2002::/16",  # 6to4, carries an IPv4 address (RFC 3056)
        "2620:4f:8000::/48",  # AS112 (RFC 7534)
        "3fff::/20",  # documentation (RFC 9637)
    )
)
"""Networks inside `GLOBAL_UNICAST_V6` that are never contacted."""

_ISATAP = (0x0000_5EFE, 0x0200_5EFE)
"""Upper half of an interface identifier that embeds an IPv4 address (RFC 5214)."""


def is_public(address: IPAddress) -> bool:
    """Whether an address belongs to the public network: no special-purpose range, no IPv6 with an embedded IPv4."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in SPECIAL_V4)
    if address not in GLOBAL_UNICAST_V6 or any(address in network for network in SPECIAL_V6):
        return False
    return (int(address) >> 32) & 0xFFFF_FFFF not in _ISATAP


MAX_CHARS = 2_048
DEFAULT_PORTS = {"http": 80, "https": 443}
UPLOAD_INSTEAD = "Check it, or save the picture and upload it."

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")
_NETLOC = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[^:\[\]]+))(?::(?P<port>[0-9]{0,5}))?")
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")


class _UnreadableError(ValueError):
    """Why a URL is malformed, as the end of a sentence."""


@dataclass(frozen=True, slots=True)
class Address:
    """A URL that passed the syntax checks.

    Attributes:
        scheme: `http` or `https`.
        host: a lower-case ASCII name, or an IP address in canonical form without brackets.
        port: 1 to 65535.
        path, query: percent-encoded ASCII; `path` starts with a slash, `query` has no question mark and may be empty.
        ip: the IP address if `host` is one, else None.
    """

    scheme: str
    host: str
    port: int
    path: str
    query: str
    ip: IPAddress | None

    @property
    def shown(self) -> str:
        """The URL without its query, which may contain a key; for messages and logs."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"

    @property
    def url(self) -> str:
        """The full URL, reassembled from its checked parts."""
        return f"{self.shown}?{self.query}" if self.query else self.shown


class AllowList:
    """Hosts of the user's own network that are accepted besides public addresses, on the given port or on any.

    Args:
        entries: `host:port` or `host` (any port); `[::1]:8123` for IPv6. No patterns: an entry is one host.

    Raises:
        AddressError: `url_malformed`, an entry is neither.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self._hosts = frozenset(self._read(entry) for entry in entries)

    def __contains__(self, address: Address) -> bool:
        return not self._hosts.isdisjoint({(address.host, address.port), (address.host, None)})

    @staticmethod
    def _read(entry: str) -> tuple[str, int | None]:
        netloc = f"[{entry}]" if entry.count(":") > 1 and not entry.startswith("[") else entry
        try:
            host, _, port = _split_netloc(netloc)
        except ValueError as error:
            what = f"The setting fetch_allow holds {entry!r}, which is neither a host nor host:port."
            raise AddressError("url_malformed", what, remedy="Write it like nas:8080 or 192.168.1.5.") from error
        return host, port


def parse_address(text: str, *, base: Address | None = None) -> Address:
    """Parse a URL and check every part.

    Args:
        text: user input, or the target of a redirect.
        base: the address that redirected; resolves a relative `text`.

    Raises:
        AddressError: `url_scheme` for anything but http and https; `url_malformed` for an empty, overlong or ambiguous text (user
            names, backslashes, control characters, invalid hosts, ports outside 1 to 65535).
    """
    text = text.strip(" \t\r\n")
    scheme = _SCHEME.match(text)
    if scheme and scheme[1].lower() not in DEFAULT_PORTS:
        remedy = "Use an address that starts with https://, or upload the picture."
        raise AddressError("url_scheme", f"Addresses starting with '{scheme[1][:20]}:' are not supported.", remedy=remedy)
    if not text or (scheme is None and base is None):
        raise AddressError("url_malformed", "That is not a web address.", remedy="A web address starts with https:// or http://.")
    if len(text) > MAX_CHARS:
        raise _malformed(f"it has {len(text)} characters, at most {MAX_CHARS} are allowed")
    if _CONTROL.search(text):
        raise _malformed("it contains a backslash or an invisible character")
    try:
        return _assemble(urljoin(base.url, text) if base and not scheme else text)
    except _UnreadableError as error:
        raise _malformed(str(error)) from error
    except ValueError as error:  # the library's own message is not meant for users
        raise _malformed("it cannot be read") from error


def check_address(address: Address, *, ports: Iterable[int], allow: AllowList) -> None:
    """Refuse an address that is not public or uses another port than `ports`, unless it is in `allow`.

    Raises:
        AddressError: `url_blocked_address`, `url_blocked_port`.
    """
    if address in allow:
        return
    if address.ip is not None and not is_public(address.ip):
        raise AddressError(
            "url_blocked_address",
            f"{address.host} is not a public address, and only public addresses are fetched.",
            remedy="Save the picture and upload it, or name a computer of your own network in the setting fetch_allow.",
        )
    if address.port not in ports:
        raise AddressError("url_blocked_port", f"Port {address.port} is not allowed for pictures.", remedy=UPLOAD_INSTEAD)


def _assemble(url: str) -> Address:
    parts = urlsplit(url)
    host, ip, port = _split_netloc(parts.netloc)
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~|[]")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~|[]?")
    if len(path) + len(query) > 4 * MAX_CHARS:
        raise _UnreadableError("it is too long")
    return Address(parts.scheme, host, DEFAULT_PORTS[parts.scheme] if port is None else port, path, query, ip)


def _split_netloc(netloc: str) -> tuple[str, IPAddress | None, int | None]:
    """Split `host:port` into the host, its IP address if it is one, and the port if given."""
    if "@" in netloc:
        raise _UnreadableError("it contains a user name")
    match = _NETLOC.fullmatch(netloc)
    if match is None:
        raise _UnreadableError("its host or port cannot be read")
    port = int(match["port"]) if match["port"] else None
    if port is not None and not 1 <= port <= 65_535:
        raise _UnreadableError(f"there is no port {port}")
    if match["v6"]:
        ip: IPAddress | None = IPv6Address(match["v6"])
        return str(ip), ip, port
    host = _ascii_host(match["name"])
    ip = _ipv4(host)
    return (host if ip is None else str(ip)), ip, port


def _ascii_host(name: str) -> str:
    host = name.lower() if name.isascii() else idna.encode(name, uts46=True).decode("ascii")
    host = host.removesuffix(".")
    if len(host) > 253 or not _NAME.fullmatch(host):
        raise _UnreadableError("its host name is invalid")
    return host


def _ipv4(host: str) -> IPv4Address | None:
    """Parse IPv4 in every notation a resolver accepts (127.1, 0x7f000001, 017700000001), following the WHATWG URL standard.

    A host whose last label is numeric must be an IPv4 address. Returns None for a name.
    """
    labels = host.split(".")
    if not _NUMBER.fullmatch(labels[-1]):
        return None
    if len(labels) > 4 or not all(_NUMBER.fullmatch(label) for label in labels):
        raise _UnreadableError("its host is not a valid IP address")
    *first, last = (_number(label) for label in labels)
    if any(value > 255 for value in first) or last >= 256 ** (4 - len(first)):
        raise _UnreadableError("its host is not a valid IP address")
    return IPv4Address(sum(value << (8 * (3 - place)) for place, value in enumerate(first)) + last)


def _number(label: str) -> int:
    if label.startswith("0x"):
        return int(label[2:] or "0", 16)
    return int(label, 8 if label.startswith("0") else 10)


def _malformed(reason: str) -> AddressError:
    return AddressError("url_malformed", f"That is not a valid web address: {reason}.", remedy=UPLOAD_INSTEAD)


Resolve = Callable[..., Iterable[tuple[Any, ...]]]
"""Signature of `socket.getaddrinfo`."""


def route(address: Address, *, resolve: Resolve, allowed: bool, timeout_s: float) -> list[str]:
    """Resolve a host once and check every address it resolves to.

    Args:
        allowed: the host is in the allow list and may be in the user's own network.
        timeout_s: time limit, above 0.

    Returns:
        IP addresses in the resolver's order, at least one. Connecting to one of them instead of the name protects against a resolver
        that returns something else the second time.

    Raises:
        FetchError: `dns_failed`: the name has no address, or one of its addresses is not public. Both have the same message;
            otherwise it would reveal which names exist in the local network.
        TimeoutError: the lookup took too long.
    """
    if address.ip is not None:
        return [str(address.ip)]
    found = _look_up(address, resolve, timeout_s)
    if found and (allowed or all(is_public(ip) for ip in found)):
        return [str(ip) for ip in found]
    raise FetchError(
        "dns_failed",
        f"There is no public address for {address.host}.",
        remedy="Check the spelling; a computer in your own network must be listed in the setting fetch_allow.",
    )


def _look_up(address: Address, resolve: Resolve, timeout_s: float) -> list[IPAddress]:
    """Unique addresses, possibly none. Runs in a separate thread, because a lookup cannot be interrupted."""
    answers: queue.SimpleQueue[list[IPAddress]] = queue.SimpleQueue()

    def ask() -> None:
        try:
            infos = resolve(address.host, address.port, type=socket.SOCK_STREAM)
            answers.put(list(dict.fromkeys(ip_address(info[4][0]) for info in infos)))
        except (OSError, ValueError):
            answers.put([])

    threading.Thread(target=ask, name="look-up", daemon=True).start()
    try:
        return answers.get(timeout=timeout_s)
    except queue.Empty:
        raise TimeoutError from None


class Watchdog:
    """Calls `on_late` for every watched block that does not finish in time. Thread-safe.

    Its thread starts with the first block and sleeps until the earliest deadline, so a block that finishes in time costs two
    dictionary writes.

    Args:
        clock: seconds that never go back.
        changed: what the thread sleeps on; a test hands in one whose time it moves itself.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, changed: threading.Condition | None = None) -> None:
        self._clock = clock
        self._changed = changed or threading.Condition()
        self._ends: dict[Callable[[], None], float] = {}
        self._wakes_at = math.inf
        self._thread: threading.Thread | None = None
        self._closed = False

    @contextlib.contextmanager
    def watch(self, on_late: Callable[[], None], *, seconds: float) -> Iterator[None]:
        """Call `on_late` once, from another thread, unless the block ends within `seconds`. It must neither block nor raise."""
        end = self._clock() + seconds
        with self._changed:
            self._ends[on_late] = end
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
                self._thread.start()
            elif end < self._wakes_at:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._ends.pop(on_late, None)

    def close(self) -> None:
        """Stop the thread. Blocks still running are no longer watched."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            while not self._closed:
                now = self._clock()
                for on_late in [late for late, end in self._ends.items() if end <= now]:
                    del self._ends[on_late]
                    on_late()
                self._wakes_at = min(self._ends.values(), default=math.inf)
                self._changed.wait(None if math.isinf(self._wakes_at) else max(0.0, self._wakes_at - now))
