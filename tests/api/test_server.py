"""`serve`: its listening sockets, and errors when it cannot listen."""

import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import uvicorn

from api.server import Listener, serve
from api.settings import options_from
from commands._app import BUSY, USAGE, exit_code
from config import Settings
from crossmodal.errors import BusyError, CrossmodalError, QueryError
from tests.api.conftest import filled_app


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which another program listens."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def test_a_taken_port_is_told_before_anything_is_loaded(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.server.build_system", lambda *_, **__: pytest.fail("was loaded"))
    with pytest.raises(BusyError) as refused:
        serve(Settings(api_port=taken))
    assert str(refused.value) == f"Port {taken} is taken by another program."
    assert "--port" in refused.value.remedy
    assert exit_code(refused.value) == BUSY


def test_an_address_of_another_computer_is_no_place() -> None:
    for host in ("192.0.2.1", "no-such-host.invalid"):
        with pytest.raises(QueryError) as refused:
            Listener(host, 0)
        assert host in str(refused.value)
        assert exit_code(refused.value) == USAGE


def test_whoever_was_faster_has_the_port() -> None:
    """Two processes may bind a port before either listens; the second one to listen gets an error."""
    with Listener("127.0.0.1", 0) as first:
        port = first.sockets[0].getsockname()[1]
        with Listener("127.0.0.1", port) as second:
            first.listen()
            with pytest.raises(BusyError, match="taken"):
                second.listen()


def test_an_open_address_without_a_key_is_a_wrong_question() -> None:
    with pytest.raises(CrossmodalError) as refused:
        options_from(Settings(api_host="0.0.0.0"))
    assert exit_code(refused.value) == USAGE


@pytest.mark.parametrize(
    ("host", "name"), [("127.0.0.2", "127.0.0.2"), ("::1", "[::1]"), ("0:0:0:0:0:0:0:1", "[::1]"), ("LOCALHOST", "localhost")]
)
def test_a_chosen_loopback_address_is_one_of_its_names(host: str, name: str) -> None:
    assert name in options_from(Settings(api_host=host)).hosts
    assert "evil.test" not in options_from(Settings(api_host=host)).hosts


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "darwin", reason="has 127.0.0.1 only")
def test_it_answers_where_it_was_told_to_listen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    servers: list[uvicorn.Server] = []
    app = filled_app(tmp_path / "data", 3)
    real = uvicorn.Server.__init__

    def watched(self: uvicorn.Server, config: uvicorn.Config) -> None:
        real(self, config)
        servers.append(self)

    monkeypatch.setattr(uvicorn.Server, "__init__", watched)
    monkeypatch.setattr("api.server.build_system", lambda *_, at_once: app)
    monkeypatch.setattr("gc.freeze", lambda: None)
    monkeypatch.setattr("sys.setswitchinterval", lambda _: None)
    with Listener("127.0.0.2", 0) as free:
        port = free.sockets[0].getsockname()[1]
    settings = Settings(api_host="127.0.0.2", api_port=port, data_dir=tmp_path)
    thread = threading.Thread(target=serve, args=(settings,), daemon=True)
    thread.start()
    while not (servers and servers[0].started):
        assert thread.is_alive()
        thread.join(0.01)
    assert requests.get(f"http://127.0.0.2:{port}/api/items", timeout=10).status_code == 200
    servers[0].should_exit = True
    thread.join(20)
    assert not thread.is_alive()
    with Listener("127.0.0.2", port) as again:
        again.listen()
