import socket
import threading
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from crossmodal.errors import AddressError, FetchError
from crossmodal.images.public_address import Address, AllowList, Watchdog, check_address, is_public, parse_address, route

LOOPBACK = """
2130706433 0x7f000001 0x7f.0x0.0x0.0x1 017700000001 0177.0.0.1 127.1 0x7f.1 0x7F.1 127.000.000.001 127.0.0.1.
①②⑦.⓪.⓪.① １２７.０.０.１ 127。0。0。1
"""
MALFORMED = r"""
example.com/x.jpg /etc/passwd http:// http:///x.jpg http:////example.com http:example.com
http://user@example.com/ http://a:b@example.com/ http://a@b@127.0.0.1/ http://example.com\@127.0.0.1/ \\host\share
http://[::1/ http://[fe80::1%25eth0]/ http://[1.2.3.4]/
http://example.com:99999/ http://example.com:abc/ http://example.com:0/ http://example.com:-1/ http://example.com:８０/
http://-a.test/ http://a..test/ http://.test/ http://℀.test/ http://example.com%40127.0.0.1/ http://127.0.0.1;example.com/
http://4294967296/ http://1.2.3.4.5/ http://256.1.1.1/ http://08.1.1.1/ http://a.1/ http://a.0x/
"""
MALFORMED_WITH_SPACE = [
    "",
    "   ",
    "http://example.com/\r\nHost: x",
    "http://ex\tample.com/",
    "http://exa mple.com/",
    "http://example.com\0.good.com/",
    "http://example.com/\ud800",
    "http://a\u200b\u202e.test/",
    "http://" + "a" * 64 + ".test/",
    "http://" + "a." * 150 + "test/",
    "http://example.com/" + "a" * 2048,
]


def code_of(text: str) -> str:
    with pytest.raises(AddressError) as error:
        parse_address(text)
    assert "\n" not in str(error.value)
    assert error.value.remedy
    return error.value.code


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://Example.COM", "https://example.com/"),
        ("  http://example.com/a.jpg \n", "http://example.com/a.jpg"),
        ("http://example.com:80/a.jpg", "http://example.com/a.jpg"),
        ("https://example.com:80/a.jpg", "https://example.com:80/a.jpg"),
        ("http://example.com./a.jpg#part", "http://example.com/a.jpg"),
        ("http://example.com/my photo.jpg?q=a b", "http://example.com/my%20photo.jpg?q=a%20b"),
        ("http://example.com/%20a%2Fb", "http://example.com/%20a%2Fb"),
        ("http://example.com/ümlaut?ö", "http://example.com/%C3%BCmlaut?%C3%B6"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://a_b.example:8080/", "http://a_b.example:8080/"),
        ("http://93.184.215.14/x", "http://93.184.215.14/x"),
        ("http://[2606:4700:0::6810:84e5]:8080/x", "http://[2606:4700::6810:84e5]:8080/x"),
        ("http://example.com:/x", "http://example.com/x"),
    ],
)
def test_an_address_is_put_together_again_in_one_form(text: str, url: str) -> None:
    assert parse_address(text).url == url


@pytest.mark.parametrize("host", LOOPBACK.split())
def test_every_way_to_write_loopback_is_read_as_loopback(host: str) -> None:
    address = parse_address(f"http://{host}/")
    assert (address.host, str(address.ip)) == ("127.0.0.1", "127.0.0.1")


@pytest.mark.parametrize("text", MALFORMED.split() + MALFORMED_WITH_SPACE)
def test_what_is_no_address_or_an_ambiguous_one_is_malformed(text: str) -> None:
    assert code_of(text) == "url_malformed"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("http://user@example.com/", "a user name"),
        ("http://example.com/a\\b.jpg", "a backslash"),
        ("http://example.com/\x85", "an invisible character"),
        ("http://example.com:70000/", "there is no port 70000"),
        ("http://" + "a" * 64 + ".test/", "its host name"),
        ("http://1.2.3.256/", "not a valid IP address"),
    ],
)
def test_the_reason_is_said(text: str, reason: str) -> None:
    with pytest.raises(AddressError, match=reason):
        parse_address(text)


def test_the_longest_address_is_as_long_as_said() -> None:
    longest = "http://example.com/".ljust(2048, "a")
    assert parse_address(longest).url == longest
    assert code_of(longest + "a") == "url_malformed"


@pytest.mark.parametrize(
    "scheme", ["file", "ftp", "data", "gopher", "javascript", "jar", "http+unix", "ws", "view-source", "s3", "HTTPSX"]
)
def test_other_schemes_are_refused_by_name(scheme: str) -> None:
    assert code_of(f"{scheme}:{'x' * 5000}") == "url_scheme"


@pytest.mark.parametrize(
    ("place", "url"),
    [
        ("b.jpg", "https://example.com:8443/pictures/b.jpg"),
        ("/b.jpg?x=1", "https://example.com:8443/b.jpg?x=1"),
        ("//other.test/b", "https://other.test/b"),
        ("http://other.test/b", "http://other.test/b"),
        ("?page=2", "https://example.com:8443/pictures/a.jpg?page=2"),
    ],
)
def test_a_redirect_is_read_relative_to_where_it_came_from(place: str, url: str) -> None:
    assert parse_address(place, base=parse_address("https://example.com:8443/pictures/a.jpg?key=1")).url == url


def test_a_shown_address_keeps_its_query_to_itself() -> None:
    address = parse_address("https://example.com:8443/a.jpg?token=secret")
    assert address.shown == "https://example.com:8443/a.jpg"


def refusal(text: str, *, ports: tuple[int, ...] = (80, 443), allow: tuple[str, ...] = ()) -> str:
    try:
        check_address(parse_address(text), ports=ports, allow=AllowList(allow))
    except AddressError as error:
        return error.code
    return ""


def test_only_public_addresses_at_usual_ports_pass() -> None:
    assert refusal("http://93.184.215.14/") == ""
    assert refusal("http://example.com/") == ""
    assert refusal("http://example.com:22/") == "url_blocked_port"
    assert refusal("http://example.com:8123/", ports=(8123,)) == ""
    assert refusal("http://127.0.0.1:22/") == "url_blocked_address"
    assert refusal("http://[::ffff:93.184.215.14]/") == "url_blocked_address"


def test_an_allowed_host_passes_at_its_port_and_no_other_host_or_port_does() -> None:
    assert refusal("http://127.0.0.1:8123/x", allow=("127.0.0.1:8123",)) == ""
    assert refusal("http://0x7f.1:8123/x", allow=("127.0.0.1:8123",)) == ""
    assert refusal("http://127.0.0.1:8124/x", allow=("127.0.0.1:8123",)) == "url_blocked_address"
    assert refusal("http://127.0.0.2:8123/x", allow=("127.0.0.1:8123",)) == "url_blocked_address"
    assert refusal("http://nas:8080/x", allow=("NAS",)) == ""
    assert refusal("http://nas.example:8080/x", allow=("nas",)) == "url_blocked_port"
    assert refusal("http://[::1]:8123/x", allow=("[::1]:8123",)) == ""
    assert refusal("http://[::1]:9/x", allow=("0:0::1",)) == ""


@pytest.mark.parametrize("entry", ["", "a b", "nas:port", "http://nas", "nas:0", "nas/", "*", "*.local", "user@nas"])
def test_an_allowed_host_that_is_no_host_is_said_at_once(entry: str) -> None:
    with pytest.raises(AddressError, match="fetch_allow"):
        AllowList([entry])


def parsed_or_code(text: str) -> Address | str:
    try:
        return parse_address(text)
    except AddressError as error:
        return error.code


@given(st.text(max_size=60) | st.text("ab.:/@\\[]%#?0x127 \t①。é", max_size=40).map("http://".__add__))
def test_whatever_is_typed_ends_as_an_address_or_as_one_error_and_all_readers_agree_on_its_host(text: str) -> None:
    address = parsed_or_code(text)
    if isinstance(address, str):
        assert address in ("url_malformed", "url_scheme")
        return
    host = f"[{address.host}]" if ":" in address.host else address.host
    prepared = requests.Request("GET", address.url).prepare().url or ""
    assert urllib3.util.parse_url(prepared).host == host
    assert urlsplit(prepared).hostname == address.host
    assert parse_address(address.url) == address


LONG_S = 60.0
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
        hung.wait(LONG_S)
        ended.set()
        return []

    ended = threading.Event()
    with pytest.raises(TimeoutError):
        route(NAME, resolve=resolve, allowed=False, timeout_s=0.05)
    assert not ended.is_set()
    hung.set()


# Just outside, first, last, just outside of every special range.
EDGES_V4 = [
    ("", "0.0.0.0", "0.255.255.255", "1.0.0.0"),
    ("9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"),
    ("100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"),
    ("126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0"),
    ("168.63.129.15", "168.63.129.16", "168.63.129.16", "168.63.129.17"),
    ("169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"),
    ("172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"),
    ("191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0"),
    ("192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0"),
    ("192.31.195.255", "192.31.196.0", "192.31.196.255", "192.31.197.0"),
    ("192.52.192.255", "192.52.193.0", "192.52.193.255", "192.52.194.0"),
    ("192.88.98.255", "192.88.99.0", "192.88.99.255", "192.88.100.0"),
    ("192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"),
    ("192.175.47.255", "192.175.48.0", "192.175.48.255", "192.175.49.0"),
    ("198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0"),
    ("198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0"),
    ("203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0"),
    ("223.255.255.255", "224.0.0.0", "255.255.255.255", ""),
]
EDGES_V6 = [
    ("", "::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2000::"),
    ("2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:200::"),
    ("2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::"),
    ("2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2003::"),
    ("2620:4f:7fff:ffff:ffff:ffff:ffff:ffff", "2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff", "2620:4f:8001::"),
    ("3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:1000::"),
    ("3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "4000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""),
]


@pytest.mark.parametrize(("before", "first", "last", "after"), EDGES_V4 + EDGES_V6)
def test_a_special_range_is_refused_from_end_to_end_and_no_further(before: str, first: str, last: str, after: str) -> None:
    assert [is_public(ip_address(inside)) for inside in (first, last)] == [False, False]
    assert [is_public(ip_address(outside)) for outside in (before, after) if outside] == [True] * (bool(before) + bool(after))


@pytest.mark.parametrize(
    "carrier",
    [
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:93.184.215.14",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::5db8:d70e",
        "64:ff9b:1::7f00:1",
        "2002:7f00:1::",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2a00:1450::5efe:7f00:1",
        "2a00:1450::200:5efe:5db8:d70e",
    ],
)
def test_an_ipv6_address_that_carries_an_ipv4_address_is_refused_whatever_it_carries(carrier: str) -> None:
    assert not is_public(ip_address(carrier))


@pytest.mark.parametrize(
    "special",
    [
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "fd00:ec2::254",
        "ff02::1",
        "100::1",
        "5f00::1",
        "192.0.0.192",
        "100.100.100.200",
    ],
)
def test_other_special_addresses_are_refused(special: str) -> None:
    assert not is_public(ip_address(special))


@pytest.mark.parametrize("public", ["93.184.215.14", "8.8.8.8", "1.1.1.1", "2606:4700::6810:84e5", "2a00:1450:4001:81d::200e"])
def test_public_addresses_are_public(public: str) -> None:
    assert is_public(ip_address(public))


@given(st.integers(0, 2**32 - 1).map(IPv4Address) | st.integers(0, 2**128 - 1).map(IPv6Address))
def test_nothing_is_public_that_the_standard_library_knows_to_be_special(address: IPv4Address | IPv6Address) -> None:
    if is_public(address):
        assert address.is_global
        assert not address.is_multicast


class Time(threading.Condition):
    """A clock that the test moves, and what the watchdog sleeps on: moving it wakes the watchdog as the end of its sleep would."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.sleeps: list[float | None] = []
        self._asleep = threading.Semaphore(0)

    def __call__(self) -> float:
        return self.now

    def wait(self, timeout: float | None = None) -> bool:
        self.sleeps.append(timeout)
        self._asleep.release()
        return super().wait(LONG_S)

    def until_asleep(self) -> None:
        """Return once the watchdog sleeps, one time for each of its sleeps."""
        assert self._asleep.acquire(timeout=LONG_S)
        with self:  # it holds this until it sleeps
            pass

    def advance(self, seconds: float) -> None:
        with self:
            self.now += seconds
            self.notify()


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def watchdog(clock: Time) -> Iterator[Watchdog]:
    watchdog = Watchdog(clock=clock, changed=clock)
    yield watchdog
    watchdog.close()


def test_what_is_late_is_called_once_and_what_is_done_is_not(watchdog: Watchdog, clock: Time) -> None:
    late, last = threading.Event(), threading.Event()
    calls: list[str] = []
    with watchdog.watch(lambda: (calls.append("late"), late.set()), seconds=5):  # type: ignore[arg-type]
        with watchdog.watch(lambda: calls.append("done"), seconds=10):
            pass
        clock.advance(5)
        assert late.wait(LONG_S)
        with watchdog.watch(last.set, seconds=10):
            clock.advance(10)
            assert last.wait(LONG_S)
    assert calls == ["late"]


def test_an_earlier_end_wakes_it_from_a_long_sleep(watchdog: Watchdog, clock: Time) -> None:
    late = threading.Event()
    with watchdog.watch(lambda: None, seconds=60):
        clock.until_asleep()
        with watchdog.watch(late.set, seconds=5):
            clock.until_asleep()
            clock.advance(5)
            assert late.wait(LONG_S)
    assert clock.sleeps[:2] == [60, 5]


def test_work_after_a_pause_is_watched_too(watchdog: Watchdog, clock: Time) -> None:
    for _ in range(3):
        late = threading.Event()
        with watchdog.watch(late.set, seconds=2):
            clock.advance(2)
            assert late.wait(LONG_S)
        clock.advance(3)


def test_closing_ends_its_thread(watchdog: Watchdog) -> None:
    with watchdog.watch(lambda: None, seconds=60):
        pass
    before = [thread for thread in threading.enumerate() if thread.name == "watchdog"]
    watchdog.close()
    for thread in before:
        thread.join(LONG_S)
    assert not any(thread.is_alive() for thread in before)
    assert before
