"""A host name -> the IP addresses that may be dialled for it."""

import queue
import socket
import threading
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Any

from crossmodal.errors import FetchError
from crossmodal.images.addresses import Address
from crossmodal.images.networks import IPAddress, is_public

Resolve = Callable[..., Iterable[tuple[Any, ...]]]
"""What `socket.getaddrinfo` is."""


def route(address: Address, *, resolve: Resolve, allowed: bool, timeout_s: float) -> list[str]:
    """Look a host up, once, and check everything it stands for.

    Args:
        allowed: the person named this host; it may lie in their own network.
        timeout_s: longest wait, above 0.

    Returns:
        IP addresses in the resolver's order, at least one. Whoever dials one of them and never the name is safe from a resolver
        that answers differently the second time.

    Raises:
        FetchError: `dns_failed`, the name has no address or one of its addresses is not public. One sentence for both: otherwise
            the answer would tell which names exist in the network we stand in.
        TimeoutError: the look-up took too long.
    """
    if address.ip is not None:
        return [str(address.ip)]
    found = _look_up(address, resolve, timeout_s)
    if found and (allowed or all(is_public(ip) for ip in found)):
        return [str(ip) for ip in found]
    raise FetchError(
        "dns_failed",
        f"There is no public address for {address.host}.",
        remedy="Check the spelling; a computer of your own network must be named in the setting fetch_allow.",
    )


def _look_up(address: Address, resolve: Resolve, timeout_s: float) -> list[IPAddress]:
    """Unique addresses, none when the name has none. In a thread of its own, because a look-up cannot be interrupted."""
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
