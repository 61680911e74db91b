"""Connections held open by unread bodies, by clients that do not read, or by sheer number."""

import asyncio
import select
import socket
from collections.abc import Awaitable, Callable

import pytest
import requests

from api.middleware.limits import Intake
from api.settings import ApiOptions
from api.slow_clients import STALL_BYTES, Counted, ReaderWatch
from engine.live import LiveApp
from tests.api.conftest import Served, raw
from tests.waiting import wait_until

KEY = "a key of twenty-four chars"
FOREIGN = b"POST /search HTTP/1.1\r\nHost: evil.test\r\nContent-Length: 100000\r\n\r\n"
WITHOUT_KEY = b"POST /search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n"


@pytest.mark.parametrize(("head", "status"), [(FOREIGN, b"400"), (WITHOUT_KEY, b"401")])
def test_a_refused_body_holds_no_connection(live_app: LiveApp, monkeypatch: pytest.MonkeyPatch, head: bytes, status: bytes) -> None:
    monkeypatch.setattr("api.slow_clients.LINGER_S", 0.3)
    with Served(live_app, ApiOptions(keys=(KEY,))) as address:
        assert raw(address, head, b"x").startswith(b"HTTP/1.1 " + status)


def test_a_refused_body_that_comes_to_its_end_ends_nothing(live_app: LiveApp) -> None:
    small = FOREIGN.replace(b"100000", b"4")
    last = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    with Served(live_app, ApiOptions()) as address:
        answer = raw(address, small, b"body" + last)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"healthy" in answer


def test_a_length_said_twice_ends_the_connection(live_app: LiveApp) -> None:
    """A proxy may take the body to end where the other header says (request smuggling)."""
    twice = b"POST /search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    hidden = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with Served(live_app, ApiOptions()) as address:
        answer = raw(address, twice + hidden)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"healthy" not in answer


def test_who_is_cut_off_by_the_servers_end_is_told_so(live_app: LiveApp, caplog: pytest.LogCaptureFixture) -> None:
    served = Served(live_app, ApiOptions())
    served.server.config.timeout_graceful_shutdown = 0  # nobody is waited for
    with served as address:
        host, _, port = address.removeprefix("http://").partition(":")
        connection = socket.create_connection((host, int(port)), timeout=10)
        connection.sendall(b"POST /search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{")
        wait_until(lambda: "crossmodal_requests_under_way 2.0" in requests.get(f"{address}/metrics", timeout=10).text)
    answer = b""
    with connection:
        while part := connection.recv(65_536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 503")
    assert b"retry-after: " in answer.lower()
    assert b"The server ends" in answer
    assert not [record for record in caplog.records if record.exc_info]


def test_the_oldest_idle_connection_gives_way(live_app: LiveApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.server.MIN_CONNECTIONS", 8)
    monkeypatch.setattr("api.server.CONNECTIONS", 0)
    with Served(live_app, ApiOptions()) as address:
        host, _, port = address.removeprefix("http://").partition(":")
        held = [socket.create_connection((host, int(port)), timeout=10) for _ in range(30)]
        for _ in range(10):
            assert requests.get(f"{address}/health", timeout=10).status_code == 200
        closed, _, _ = select.select(held, [], [], 5)
        assert len(held) - 8 <= len(closed) < len(held)
        assert held[0] in closed
        for connection in held:
            connection.close()


def test_a_client_that_does_not_read_holds_no_place(
    live_app: LiveApp, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.slow_clients.STALL_S", 0.3)
    folder = tmp_path_factory.mktemp("exports")
    (folder / "items-20260101-000000-000.csv").write_bytes(b"x" * 2**25)
    with Served(live_app, ApiOptions(export_dir=folder, max_concurrent=1)) as address:
        host, _, port = address.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(b"GET /api/exports/items-20260101-000000-000.csv HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert connection.recv(16)
            wait_until(
                lambda: requests.get(f"{address}/api/items", timeout=10).status_code == 200, "its place was never given back"
            )


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 131_072, 300_001])
def test_an_answer_goes_in_pieces(size: int) -> None:
    body, sent = bytes(number % 251 for number in range(size)), []

    async def app(_scope: object, _receive: object, send: Callable[[dict[str, object]], Awaitable[None]]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {"type": "http", "path": "/api/items", "headers": [], "method": "GET"}
    asyncio.run(Intake(app, ApiOptions())(scope, None, send))  # type: ignore[arg-type]
    pieces = sent[1:]
    assert b"".join(piece["body"] for piece in pieces) == body
    assert max(len(piece["body"]) for piece in pieces) <= 65_536
    assert [piece.get("more_body", False) for piece in pieces] == [True] * (len(pieces) - 1) + [False]


@pytest.mark.slow
def test_a_large_answer_that_is_not_read_keeps_its_place(live_app: LiveApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such responses are bounded by the concurrency limit, and are dropped with their client."""
    monkeypatch.setattr("api.slow_clients.STALL_S", 3.0)
    monkeypatch.setattr(live_app, "attribute_values", lambda: {"much": [("x" * 2**25, 1)]})
    with Served(live_app, ApiOptions(max_concurrent=1)) as address:
        host, _, port = address.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(b"GET /api/attributes HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert connection.recv(16)
            assert requests.get(f"{address}/api/items", timeout=10).status_code == 503
            wait_until(
                lambda: requests.get(f"{address}/api/items", timeout=10).status_code == 200, "its place was never given back"
            )


class Pipe:
    """A transport whose client reads on demand."""

    def __init__(self) -> None:
        self.waiting = 0
        self.aborted = False

    def write(self, data: bytes) -> None:
        self.waiting += len(data)

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def abort(self) -> None:
        self.aborted = True


class Clock:
    """An event loop whose time passes on demand."""

    def __init__(self) -> None:
        self.due: list[Callable[[], None]] = []

    def call_later(self, _: float, work: Callable[[], None]) -> object:
        self.due.append(work)
        return type("Timer", (), {"cancel": lambda _: None})()

    def pass_on(self) -> None:
        due, self.due = self.due, []
        for work in due:
            work()


@pytest.mark.parametrize(("reads", "aborted"), [(0, True), (STALL_BYTES - 1, True), (STALL_BYTES, False)])
def test_slow_is_not_stalled(reads: int, aborted: bool) -> None:
    pipe, clock = Pipe(), Clock()
    transport = Counted(pipe)  # type: ignore[arg-type]
    watch = ReaderWatch(transport, clock)  # type: ignore[arg-type]
    for _ in range(5):
        transport.write(b"x" * 100_000)
        watch.begin()
        pipe.waiting -= reads
        clock.pass_on()
    assert pipe.aborted is aborted


def test_who_reads_all_there_is_may_wait_for_more() -> None:
    pipe, clock = Pipe(), Clock()
    transport = Counted(pipe)  # type: ignore[arg-type]
    watch = ReaderWatch(transport, clock)  # type: ignore[arg-type]
    for _ in range(5):
        transport.write(b"a small answer")
        watch.begin()
        pipe.waiting = 0
        transport.write(b"the next")
        clock.pass_on()
        pipe.waiting = 0
        clock.pass_on()
    assert not pipe.aborted
    assert not clock.due
