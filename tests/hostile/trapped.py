"""A fetcher that meets the trap server as if it were the public network. Its policy is the product's, unchanged."""

import socket
from collections import Counter
from ipaddress import ip_address
from typing import Any

from crossmodal.images.fetch import Fetcher, FetchLimits, dial
from crossmodal.images.public_address import is_public
from tests.hostile.conftest import EvilServer

INSIDE = {
    "localhost": "127.0.0.1",
    "a.localhost": "::1",
    "ip6-localhost": "::1",
    "metadata.google.internal": "169.254.169.254",
    "db.internal": "10.0.0.5",
    "printer.local": "192.168.1.9",
    "kubernetes.default.svc": "10.96.0.1",
    "host.docker.internal": "172.17.0.1",
    "127.0.0.1.nip.io": "127.0.0.1",
    "192-168-1-250.sslip.io": "192.168.1.250",
    socket.gethostname().lower(): "127.0.1.1",
}
"""Names that lead inside; here every one of them exists, which is harsher than any real network."""

DEADLINE_S = 20.0
"""For what ends by itself: time enough on a busy computer."""
SHORT_DEADLINE_S = 3.0
"""For traps that must end by the deadline: how long it is shows nothing more."""


def deadline_of(trap: dict[str, str] | None) -> float:
    """Seconds a fetch may take; `trap` is the server's word on it, None for an address that is no trap."""
    return SHORT_DEADLINE_S if trap and trap["outcome"] == "reject" and "timeout" in trap["code"].split("|") else DEADLINE_S


class Trapped:
    """The fetcher, and what it did to the network."""

    def __init__(self, server: EvilServer) -> None:
        self._server = server
        self._resolver = server.module.Resolver()
        self.looked_up: Counter[str] = Counter()
        self.dialled: list[tuple[str, int]] = []

    def fetcher(self, *, timeout_s: float) -> Fetcher:
        limits = FetchLimits(timeout_s=timeout_s, ports=(80, 443, self._server.port, self._server.canary))
        return Fetcher(limits, resolve=self._resolve, dial=self._dial)

    def _resolve(self, host: str, port: int, **kwargs: Any) -> list[tuple[Any, ...]]:
        self.looked_up[host] += 1
        if host in INSIDE:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (INSIDE[host], port))]
        if not host.endswith("evil.test"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return list(self._resolver.getaddrinfo(host, port))

    def _dial(self, address: str, port: int, timeout_s: float) -> socket.socket:
        assert is_public(ip_address(address)), f"dialled {address}"
        self.dialled.append((address, port))
        if port == self._server.canary:
            raise ConnectionRefusedError  # the public address has nothing at the internal service's port
        return dial("127.0.0.1", self._server.port, timeout_s)
