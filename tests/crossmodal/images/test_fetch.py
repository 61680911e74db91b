import gzip
import logging
import socket
import time
import tracemalloc
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

import pytest

from crossmodal.errors import CrossmodalError, FetchError
from crossmodal.images.fetch import (
    MAX_DIALS,
    MAX_OVERHEAD_BYTES,
    Connector,
    CountingReader,
    Deadline,
    Fetcher,
    FetchLimits,
    OverheadError,
    SingleRequest,
    dial,
    read_body,
)
from crossmodal.images.public_address import parse_address
from tests.crossmodal.images.web import PUBLIC, Answer, Handler, serve

LIMIT = 1_000


def pieces(data: bytes, size: int = 7) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


def code_of(body: Iterable[bytes], *, encoding: str = "", length: int | None = None) -> str:
    with pytest.raises(FetchError) as error:
        read_body(body, encoding=encoding, length=length, max_bytes=LIMIT)
    return error.value.code


@pytest.mark.parametrize("encoding", ["", "identity", " Identity "])
def test_plain_pieces_are_joined(encoding: str) -> None:
    assert read_body(pieces(b"x" * LIMIT), encoding=encoding, length=None, max_bytes=LIMIT) == b"x" * LIMIT
    assert read_body([], encoding=encoding, length=0, max_bytes=LIMIT) == b""


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP", "deflate"])
@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_a_server_that_packs_unasked_is_unpacked(encoding: str, pack: object) -> None:
    packed = pack(b"picture" * 100)  # type: ignore[operator]
    assert read_body(pieces(packed), encoding=encoding, length=len(packed), max_bytes=LIMIT) == b"picture" * 100


def test_a_claim_beyond_the_limit_ends_it_before_a_byte_is_read() -> None:
    def never() -> Iterator[bytes]:
        raise AssertionError("read")
        yield b""

    assert code_of(never(), length=LIMIT + 1) == "too_large"


def test_an_endless_body_is_read_to_the_limit_and_no_further() -> None:
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        while True:
            read += 100
            yield b"\0" * 100

    assert code_of(endless()) == "too_large"
    assert read == LIMIT + 100


def test_a_bomb_is_never_unpacked_beyond_the_limit() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    tracemalloc.start()
    assert code_of([bomb[:LIMIT]], encoding="gzip") == "too_large"
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 500_000
    assert code_of(pieces(gzip.compress(b"\0" * (LIMIT + 1))), encoding="gzip") == "too_large"


@pytest.mark.parametrize("encoding", ["br", "zstd", "rot13", "gzip, gzip", "identity, gzip", ", ".join(["gzip"] * 200)])
def test_other_encodings_are_refused_unread(encoding: str) -> None:
    assert code_of(pieces(b"x"), encoding=encoding) == "bad_response"


def test_broken_and_unfinished_packing_is_an_error() -> None:
    packed = gzip.compress(bytes(range(256)) * 3)
    assert code_of(pieces(b"garbage"), encoding="gzip") == "bad_response"
    assert code_of(pieces(packed[:-10]), encoding="gzip") == "bad_response"
    assert read_body([], encoding="gzip", length=0, max_bytes=LIMIT) == b""


PICTURE = bytes(range(256)) * 40
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def failure(fetcher: Fetcher, url: str) -> CrossmodalError:
    with pytest.raises(CrossmodalError) as error:
        fetcher.fetch(url)
    assert error.value.remedy
    return error.value


def redirect(place: str, status: int = 302) -> Answer:
    return lambda handler: handler.send(b"never read", status=status, Location=place)


def test_a_picture_is_fetched_and_nothing_of_the_person_travels_along(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine shop.example login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9/")
    answers: dict[str, Answer] = {
        "/start": lambda handler: handler.send(b"", status=302, Location="/a.jpg?x=1", Set_Cookie="track=1"),
        "/a.jpg": lambda handler: handler.send(PICTURE, Set_Cookie="track=2"),
    }
    with serve(answers) as web:
        fetcher = web.fetcher()
        assert fetcher.fetch("http://shop.example/start") == PICTURE
        assert fetcher.fetch("http://shop.example/a.jpg?x=1") == PICTURE
    assert [path for path, _ in web.asked] == ["/start", "/a.jpg?x=1", "/a.jpg?x=1"]
    for _, headers in web.asked:
        assert set(headers) == {"Host", "User-Agent", "Accept", "Accept-Encoding", "Connection"}
        assert headers["Host"] == "shop.example"
        assert headers["Accept-Encoding"] == "identity"
    assert web.dialled == [(PUBLIC, 80)] * 3
    assert web.looked_up == ["shop.example"] * 3


def test_a_packed_answer_is_unpacked_and_a_body_without_length_is_read_to_its_end() -> None:
    answers: dict[str, Answer] = {
        "/packed": lambda handler: handler.send(gzip.compress(PICTURE), Content_Encoding="gzip"),
        "/open": lambda handler: handler.raw(b"HTTP/1.1 200 OK\r\n\r\n" + PICTURE),
        "/chunks": lambda handler: handler.raw(CHUNKED + b"4\r\nabcd\r\n2;x=y\r\nef\r\n0\r\n\r\n"),
        "/empty": lambda handler: handler.send(b""),
    }
    with serve(answers) as web:
        fetcher = web.fetcher()
        assert fetcher.fetch("http://shop.example/packed") == PICTURE
        assert fetcher.fetch("http://shop.example/open") == PICTURE
        assert fetcher.fetch("http://shop.example/chunks") == b"abcdef"
        assert fetcher.fetch("http://shop.example/empty") == b""


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_and_its_body_is_never_read(status: int) -> None:
    def endless(handler: Handler) -> None:
        handler.raw(b"HTTP/1.1 %d Moved\r\nLocation: /a\r\n\r\n" % status)
        while True:
            handler.raw(b"\0" * 65536)

    with serve({"/start": endless, "/a": lambda handler: handler.send(PICTURE)}) as web:
        assert web.fetcher().fetch("http://shop.example/start") == PICTURE


@pytest.mark.parametrize(
    ("place", "code"),
    [
        ("http://127.0.0.1/secret", "url_blocked_address"),
        ("http://2130706433/", "url_blocked_address"),
        ("//169.254.169.254/latest/meta-data/", "url_blocked_address"),
        ("http://[::ffff:127.0.0.1]/", "url_blocked_address"),
        ("http://inside.example/", "dns_failed"),
        ("http://nowhere.example/", "dns_failed"),
        ("http://shop.example:22/", "url_blocked_port"),
        ("file:///etc/passwd", "url_scheme"),
        ("http://a@127.0.0.1/", "url_malformed"),
        ("http://shop.example\\@127.0.0.1/", "url_malformed"),
        ("http://", "url_malformed"),
        ("/" + "a" * 3000, "url_malformed"),
        ("", "bad_response"),
        ("/loop", "too_many_redirects"),
    ],
)
def test_a_redirect_is_checked_like_the_first_address(place: str, code: str) -> None:
    with serve({"/loop": redirect(place)}) as web:
        assert failure(web.fetcher(), "http://shop.example/loop").code == code
        assert len(web.asked) == (5 if code == "too_many_redirects" else 1)


def test_two_places_to_go_are_none() -> None:
    answers: dict[str, Answer] = {
        "/two": lambda handler: handler.raw(b"HTTP/1.1 302 Found\r\nLocation: /a\r\nLocation: http://127.0.0.1/\r\n\r\n"),
        "/none": lambda handler: handler.send(b"", status=302),
    }
    with serve(answers) as web:
        assert failure(web.fetcher(), "http://shop.example/two").code == "bad_response"
        assert failure(web.fetcher(), "http://shop.example/none").code == "bad_response"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (404, "404 (not found)"),
        (503, "503 (service unavailable)"),
        (599, "599"),
        (204, "204 (no content)"),
        (304, "304 (not modified)"),
    ],
)
def test_another_status_is_said_with_its_number_and_name(status: int, words: str) -> None:
    with serve({"/a": lambda handler: handler.send(b"", status=status)}) as web:
        error = failure(web.fetcher(), "http://shop.example/a")
    assert (error.code, str(error)) == ("http_status", f"That address answered {words}.")
    assert error.remedy == "Check it, or save the picture and upload it."


def test_the_limit_of_bytes_holds_for_what_is_claimed_and_for_what_comes() -> None:
    def endless(handler: Handler) -> None:
        handler.raw(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            handler.raw(b"\0" * 65536)

    answers: dict[str, Answer] = {
        "/claims": lambda handler: handler.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\nx"),
        "/endless": endless,
        "/exact": lambda handler: handler.send(PICTURE),
    }
    with serve(answers) as web:
        fetcher = web.fetcher(max_bytes=len(PICTURE))
        assert fetcher.fetch("http://shop.example/exact") == PICTURE
        assert failure(fetcher, "http://shop.example/claims").code == "too_large"
        assert failure(fetcher, "http://shop.example/endless").code == "too_large"


def drip(start: bytes) -> Answer:
    def answer(handler: Handler) -> None:
        handler.raw(start)
        while True:
            handler.raw(b"x")
            time.sleep(0.02)

    return answer


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nX", b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"])
def test_the_deadline_ends_a_server_that_drips(start: bytes) -> None:
    """Each byte comes long before the time is up, and there is no last one: only a limit of the whole ends this."""
    with serve({"/a": drip(start)}) as web:
        assert failure(web.fetcher(timeout_s=0.3), "http://shop.example/a").code == "timeout"


def test_the_deadline_is_for_all_hops_together() -> None:
    def slow(handler: Handler) -> None:
        time.sleep(0.2)
        handler.send(b"", status=302, Location="/a")

    with serve({"/a": slow}) as web:
        assert failure(web.fetcher(timeout_s=0.5, max_redirects=50), "http://shop.example/a").code == "timeout"
        assert len(web.asked) <= 4


def repeated(start: bytes, again: bytes) -> Answer:
    def answer(handler: Handler) -> None:
        handler.raw(start)
        while True:
            handler.raw(again)

    return answer


@pytest.mark.parametrize(
    ("start", "again"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 500),
        (b"HTTP/1.1 200 OK\r\n", b"X: " + b"a" * 900 + b"\r\n"),
        (b"HTTP/1.1 200 ", b"a" * 9000),
        (CHUNKED, b"1;" + b"x" * 8000 + b"\r\n\0\r\n"),
        (CHUNKED + b"1\r\nx\r\n0\r\n", b"T: " + b"a" * 900 + b"\r\n"),
    ],
    ids=["continue", "headers", "status line", "chunk marks", "trailers"],
)
def test_a_flood_of_anything_but_the_picture_ends_early(start: bytes, again: bytes) -> None:
    """The count ends it: at the deadline it would be `timeout`."""
    with serve({"/a": repeated(start, again)}) as web:
        assert failure(web.fetcher(timeout_s=20), "http://shop.example/a").code == "bad_response"


@pytest.mark.parametrize(
    "answer",
    [
        *(b"", b"\0\1\2" * 500, b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 abc OK\r\n\r\n"),
        *(
            b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 9\r\n\r\nhello",
        ),
        *(CHUNKED + b"zz\r\nhello", CHUNKED + b"fffffffffffffff\r\nhello"),
    ],
)
def test_what_is_no_proper_answer_is_one_error(answer: bytes) -> None:
    with serve({"/a": lambda handler: handler.raw(answer)}) as web:
        assert failure(web.fetcher(), "http://shop.example/a").code == "bad_response"


def test_a_computer_that_does_not_answer_is_one_error() -> None:
    def refuse(*_: object) -> None:
        raise ConnectionRefusedError

    fetcher = Fetcher(FetchLimits(), dial=refuse)  # type: ignore[arg-type]
    error = failure(fetcher, f"http://{PUBLIC}/a.jpg?key=secret")
    assert (error.code, str(error)) == ("connect_failed", f"{PUBLIC} could not be reached.")


def test_an_address_of_ones_own_network_is_asked_only_when_allowed() -> None:
    with serve({"/a.jpg": lambda handler: handler.send(PICTURE)}) as web:
        place = f"127.0.0.1:{web.server_port}"
        assert Fetcher(FetchLimits(), allow=(place,)).fetch(f"http://{place}/a.jpg") == PICTURE
        assert failure(Fetcher(FetchLimits()), f"http://{place}/a.jpg").code == "url_blocked_address"
        assert failure(Fetcher(FetchLimits(), allow=("127.0.0.1:1",)), f"http://{place}/a.jpg").code == "url_blocked_address"
        assert len(web.asked) == 1


def test_what_is_logged_holds_no_query(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serve({"/a": lambda handler: handler.raw(b"HTTP/1.1 200 OK\r\nno header\r\nContent-Length: 0\r\n\r\n")}) as web:
        web.fetcher().fetch("http://shop.example/a?token=secret")
    assert "secret" not in caplog.text


def test_many_threads_share_a_fetcher() -> None:
    with (
        serve({f"/{n}": lambda handler: handler.send(handler.path.encode()) for n in range(40)}) as web,
        ThreadPoolExecutor(8) as threads,
    ):
        fetcher = web.fetcher()
        paths = [f"/{n}" for n in range(40)]
        assert list(threads.map(lambda path: fetcher.fetch(f"http://shop.example{path}"), paths)) == [
            path.encode() for path in paths
        ]


ADDRESS = parse_address("http://shop.example/")


def hop(route: list[str], reach: Connector, *, seconds: float = 5) -> SingleRequest:
    return SingleRequest(ADDRESS, route, deadline=Deadline(seconds), dial=reach)


def test_a_deadline_runs_out() -> None:
    assert 4 < Deadline(5).left() <= 5
    assert not Deadline(5).over
    past = Deadline(0)
    assert past.over
    with pytest.raises(TimeoutError):
        past.left()


def test_the_next_address_is_tried_and_each_gets_its_share_of_the_time() -> None:
    tried: list[tuple[str, float]] = []
    one, other = socket.socketpair()

    def reach(address: str, port: int, timeout_s: float) -> socket.socket:
        tried.append((address, timeout_s))
        if address != "c":
            raise ConnectionRefusedError
        return one

    with one, other:
        assert hop(["a", "b", "c"], reach, seconds=6).connect() is one
    assert [address for address, _ in tried] == ["a", "b", "c"]
    assert [round(seconds) for _, seconds in tried] == [2, 3, 6]


def test_only_so_many_addresses_are_tried_and_the_last_error_is_the_answer() -> None:
    tried: list[str] = []

    def reach(address: str, port: int, timeout_s: float) -> socket.socket:
        tried.append(address)
        raise ConnectionRefusedError(address)

    with pytest.raises(ConnectionRefusedError, match="3"):
        hop([str(n) for n in range(10)], reach).connect()
    assert len(tried) == MAX_DIALS


def test_bytes_besides_the_picture_are_counted_and_the_pictures_are_not() -> None:
    one = hop(["a"], dial)
    for _ in range(50):
        one.count(MAX_OVERHEAD_BYTES)
        assert list(one.body([b"x" * MAX_OVERHEAD_BYTES])) == [b"x" * MAX_OVERHEAD_BYTES]
    one.count(MAX_OVERHEAD_BYTES)
    with pytest.raises(OverheadError):
        one.count(1)


class SlowWire:
    """A socket that takes 3 s for each read, and notes how long it may take."""

    def __init__(self) -> None:
        self.now = 100.0
        self.allowed: list[float] = []

    def settimeout(self, seconds: float) -> None:
        self.allowed.append(seconds)

    def makefile(self, *_: object, **__: object) -> Self:
        return self

    def readinto(self, buffer: memoryview) -> int:
        self.now += 3
        buffer[:1] = b"x"
        return 1

    def close(self) -> None:
        pass


def test_a_wire_waits_no_longer_than_the_deadline() -> None:
    wire = SlowWire()
    one = SingleRequest(ADDRESS, ["a"], deadline=Deadline(8, clock=lambda: wire.now), dial=dial)
    with CountingReader(wire, one) as reader:  # type: ignore[arg-type]
        assert [reader.read(10) for _ in range(3)] == [b"x"] * 3
        with pytest.raises(TimeoutError):
            reader.read(10)
    assert wire.allowed == [8, 5, 2]


def test_a_wire_that_says_nothing_is_left() -> None:
    near, far = socket.socketpair()
    with near, far, CountingReader(near, hop(["a"], dial, seconds=0.1)) as wire:
        far.sendall(b"abc")
        assert wire.read(10) == b"abc"
        with pytest.raises(TimeoutError):
            wire.read(10)


def test_dialling_connects_or_cleans_up_after_itself() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with dial("127.0.0.1", port, 5) as connection:
            assert connection.getpeername() == ("127.0.0.1", port)
    with pytest.raises(OSError):
        dial("127.0.0.1", port, 5)
