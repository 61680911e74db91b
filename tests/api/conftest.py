"""An API over a small collection, in this process and over real HTTP."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import uvicorn
from starlette.testclient import TestClient

from api.app import create_api
from api.server import server_config
from api.settings import ApiOptions
from config import Settings
from crossmodal.errors import AddressError
from crossmodal.images.public_address import MAX_CHARS
from engine.live import LiveApp
from tests.app_parts import LIMITS, FakeFetcher, csv_source, make_live_app, png, things
from tests.tiny import shared_model

THINGS = 24


class StrictFetcher(FakeFetcher):
    """Refuses the URLs that the real fetcher refuses before any request."""

    def fetch(self, url: str) -> bytes:
        if len(url) > MAX_CHARS:
            raise AddressError("url_malformed", "That is not an address that can be asked: it is too long.")
        if not url.lower().startswith(("http://", "https://")):
            raise AddressError("url_scheme", "That is not an address of the web.")
        return super().fetch(url)


SHELF = StrictFetcher(**{"red-disc.png": png("red", "disc", 901), "blue-bar.png": png("blue", "bar", 902)})
BASE = "http://127.0.0.1"


def filled_app(folder: Path, n: int = THINGS) -> LiveApp:
    """A live app with a catalogue of `n` drawn pictures, named 000.png and so on."""
    app = make_live_app(folder, shared_model(), SHELF)
    app.engine.limits = replace(LIMITS, max_query_chars=2_000, max_top_k=1_000)
    app.tasks.index(str(csv_source(folder / "things", things(n))), lambda _: None, threading.Event())
    return app


@pytest.fixture(scope="module")
def live_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveApp]:
    """One collection per test file."""
    app = filled_app(tmp_path_factory.mktemp("collection"))
    yield app
    app.close()


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> ApiOptions:
    """The options of a loopback server."""
    return ApiOptions(export_dir=tmp_path_factory.mktemp("exports"))


@pytest.fixture(scope="module")
def client(live_app: LiveApp, options: ApiOptions) -> Iterator[TestClient]:
    """A client in this process."""
    with TestClient(create_api(live_app, options), base_url=BASE, raise_server_exceptions=False) as client:
        yield client


class Served:
    """A server in a thread, on a free port."""

    def __init__(self, app: LiveApp, options: ApiOptions) -> None:
        self.server = uvicorn.Server(server_config(create_api(app, options), Settings(api_port=0)))
        self._thread = threading.Thread(target=self.server.run, daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        while not self.server.started:
            assert self._thread.is_alive(), "the server did not start"
            self._thread.join(0.01)
        port = self.server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def __exit__(self, *error: object) -> None:
        self.server.should_exit = True
        self._thread.join(15)


@pytest.fixture(scope="module")
def server(live_app: LiveApp, options: ApiOptions) -> Iterator[str]:
    """The address of a server over real HTTP."""
    with Served(live_app, options) as address:
        yield address


def raw(address: str, text: bytes, more: bytes = b"") -> bytes:
    """All bytes until the server closes the connection; `more` is sent after the first response."""
    host, _, port = address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(text)
        answer = b""
        if more:
            answer = connection.recv(65_536)
            connection.sendall(more)
        while part := connection.recv(65_536):
            answer += part
        return answer
