import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from crossmodal.errors import FetchError
from crossmodal.images.addresses import parse_address
from crossmodal.images.names import route

NAME = parse_address("http://shop.example/a.jpg")
PUBLIC, OTHER, INSIDE = "93.184.215.14", "2606:4700::6810:84e5", "192.168.1.250"


def answering(*addresses: str) -> Callable[..., list[tuple[Any, ...]]]:
    def resolve(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        assert (host, port) == ("shop.example", 80)
        return [(0, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    return resolve


def failing(error: Exception) -> Callable[..., list[tuple[Any, ...]]]:
    def resolve(*_: Any, **__: Any) -> list[tuple[Any, ...]]:
        raise error

    return resolve


def test_public_addresses_come_in_the_resolvers_order_once_each() -> None:
    assert route(NAME, resolve=answering(OTHER, PUBLIC, OTHER), allowed=False, timeout_s=5) == [OTHER, PUBLIC]


def test_an_ip_address_is_not_looked_up() -> None:
    address = parse_address("http://93.184.215.14/")
    assert route(address, resolve=failing(AssertionError("asked")), allowed=False, timeout_s=5) == [PUBLIC]


@pytest.mark.parametrize(
    "resolve",
    [
        answering(),
        answering(INSIDE),
        answering(PUBLIC, INSIDE),
        answering("::ffff:127.0.0.1"),
        answering("fe80::1%eth0"),
        answering("no address"),
        failing(socket.gaierror(socket.EAI_NONAME, "Name or service not known")),
        failing(UnicodeError("label too long")),
    ],
)
def test_absent_and_inside_read_the_same(resolve: Callable[..., list[tuple[Any, ...]]]) -> None:
    with pytest.raises(FetchError) as error:
        route(NAME, resolve=resolve, allowed=False, timeout_s=5)
    assert error.value.code == "dns_failed"
    assert str(error.value) == "There is no public address for shop.example."


def test_an_allowed_name_may_lie_inside_but_must_exist() -> None:
    assert route(NAME, resolve=answering(INSIDE), allowed=True, timeout_s=5) == [INSIDE]
    with pytest.raises(FetchError):
        route(NAME, resolve=answering(), allowed=True, timeout_s=5)


def test_a_lookup_that_hangs_is_left_behind() -> None:
    hung = threading.Event()

    def resolve(*_: Any, **__: Any) -> list[tuple[Any, ...]]:
        hung.wait(10)
        return []

    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        route(NAME, resolve=resolve, allowed=False, timeout_s=0.05)
    assert time.monotonic() - begun < 5
    hung.set()
