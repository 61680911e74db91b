import gzip
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from crossmodal.errors import CrossmodalError
from crossmodal.images.fetch import Fetcher, FetchLimits
from tests.images.web import PUBLIC, Answer, Handler, serve

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
    with serve({"/a": drip(start)}) as web:
        begun = time.monotonic()
        assert failure(web.fetcher(timeout_s=0.3), "http://shop.example/a").code == "timeout"
        assert time.monotonic() - begun < 3


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
    with serve({"/a": repeated(start, again)}) as web:
        begun = time.monotonic()
        assert failure(web.fetcher(timeout_s=20), "http://shop.example/a").code == "bad_response"
        assert time.monotonic() - begun < 15


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
