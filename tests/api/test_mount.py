"""The API in the page's server: its own paths and checks; every other path belongs to the page."""

import asyncio
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from api.app import ROUTERS
from api.client import SOCKET_NAME, connect
from api.mount import OUTSIDE_API, MountedApi
from api.settings import ApiOptions, options_from
from config import Settings
from engine.live import LiveApp
from tests.api.conftest import BASE, filled_app
from tests.app_parts import png
from tests.commands.shell import installed, settled
from tests.waiting import wait_until

PROJECT = Path(__file__).resolve().parents[2]
KEY = "a key of twenty-four chars"
EVIL = {"Origin": "https://evil.test"}


@contextmanager
def mounted(
    app: LiveApp | None, options: ApiOptions | Callable[[], ApiOptions] | None = None, *, base_path: str = ""
) -> Iterator[TestClient]:
    """A client of a page with the API around it, once the API is open (at once if there is no app)."""
    chosen = options if callable(options) else lambda: options or ApiOptions()
    api = MountedApi(lambda: app, chosen, base_path=base_path)

    async def page(request: Any) -> PlainTextResponse:
        return PlainTextResponse("the page")

    served = Starlette(
        routes=[Route("/{path:path}", page, methods=["GET", "POST"])],
        middleware=[Middleware(api.around)],
        lifespan=lambda _: api.serving(),
    )
    switching = sys.getswitchinterval()
    try:
        with TestClient(served, base_url=BASE, raise_server_exceptions=False) as client:
            while app is not None and client.get(f"{base_path}/health").status_code == 503:
                pass
            yield client
    finally:
        sys.setswitchinterval(switching)


@pytest.fixture(scope="module")
def client(live_app: LiveApp) -> Iterator[TestClient]:
    with mounted(live_app) as client:
        yield client


def test_the_page_and_the_api_share_an_address(client: TestClient) -> None:
    assert client.get("/").text == client.get("/collection").text == client.get("/upload").text == "the page"
    assert client.get("/_stcore/health").text == "the page"
    assert client.get("/api/stats").json()["num_images"] == 24
    assert client.post("/search", json={"query": "red disc", "top_k": 1}).json()["results"][0]["item"]["title"] == "red disc"
    thumbnail = client.get("/api/image/1/thumbnail")
    assert (thumbnail.status_code, thumbnail.headers["content-type"]) == (200, "image/jpeg")
    assert client.get("/api/image/1/thumbnail", headers={"If-None-Match": thumbnail.headers["etag"]}).status_code == 304
    assert client.get("/docs").status_code == client.get("/metrics").status_code == 200
    missing = client.get("/api/nothing")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")


def test_every_address_of_the_api_is_known_to_the_mount() -> None:
    for route in (route for router in ROUTERS for route in router.routes if route.path != "/"):  # type: ignore[attr-defined]
        assert route.path.startswith("/api/") or route.methods <= OUTSIDE_API[route.path], route.path  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", ["/health", "/api/stats", "/api/image/1", "/docs"])
def test_a_foreign_name_gets_nothing(client: TestClient, path: str) -> None:
    assert client.get(path, headers={"Host": "evil.test"}).status_code == 400


def test_a_foreign_page_changes_nothing(client: TestClient) -> None:
    for method, path in (("POST", "/upload"), ("POST", "/api/items"), ("DELETE", "/api/items/1"), ("POST", "/api/jobs/import")):
        refused = client.request(method, path, headers=EVIL)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
    assert client.get("/api/items/1").status_code == 200
    assert client.post("/search", json={"query": "red"}, headers={"Origin": BASE}).status_code == 200


def test_keys_limits_and_numbers_hold(live_app: LiveApp) -> None:
    options = ApiOptions(keys=(KEY,), requests_per_minute=6, max_body_bytes=2**20, cors_origins=("https://shop.example",))
    with mounted(live_app, options) as client:
        key = {"X-API-Key": KEY}
        assert client.get("/api/items").status_code == 401
        answer = client.get("/api/items", headers=key | {"Origin": "https://shop.example"})
        assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
        assert answer.headers["X-Request-ID"]
        assert client.post("/search", headers=key, json={"query": "x" * 200_000}).status_code == 413
        assert client.post("/upload", headers=key, files={"image": b"x" * 2**21}).status_code == 413
        assert client.get("/api/items", headers=key | {"X-Long": "x" * 40_000}).status_code == 431
        answers = [client.get("/api/stats", headers=key).status_code for _ in range(6)]
        assert (answers[0], answers[-1]) == (200, 429)
        assert client.get("/health").status_code == 200
        assert client.get("/").text == "the page"


def test_strangers_are_told_no_folder(live_app: LiveApp) -> None:
    with mounted(live_app, ApiOptions(keys=(KEY,), allow_paths=False)) as client:
        key = {"X-API-Key": KEY}
        item = client.get("/api/items/1", headers=key).json()
        assert "/" not in item["catalogue"]
        assert client.post("/api/jobs/import", headers=key, json={"location": "/etc"}).status_code == 403


def test_while_the_collection_is_being_opened_the_api_says_so() -> None:
    with mounted(None) as client:
        answer = client.get("/api/items")
        assert (answer.status_code, answer.json()["error"]["code"], answer.headers["Retry-After"]) == (503, "busy", "1")
        assert client.get("/").text == "the page"


def test_an_open_page_without_a_key_has_no_api(live_app: LiveApp, caplog: pytest.LogCaptureFixture) -> None:
    with mounted(live_app, lambda: options_from(Settings(api_host="0.0.0.0"))) as client:
        while (answer := client.get("/api/items")).status_code == 503:
            pass
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
        assert "0.0.0.0" not in answer.text
        assert client.get("/").text == "the page"
        running = connect(live_app.store.path.parent, live_app.model_path)
        assert running is not None, "the shell is answered all the same"
        running.close()
    assert "CROSSMODAL_API_KEYS" in caplog.text


def test_a_fault_of_the_api_leaves_the_page_alone(live_app: LiveApp, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> ApiOptions:
        raise RuntimeError("a mistake")

    with mounted(live_app, broken) as client:
        while (answer := client.get("/api/items")).status_code == 503:
            pass
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
        assert client.get("/").text == "the page"
    assert "a mistake" in caplog.text


def test_under_a_base_path(live_app: LiveApp) -> None:
    with mounted(live_app, base_path="/photos") as client:
        assert client.get("/photos/api/stats").json()["num_images"] == 24
        assert client.get("/api/stats").text == client.get("/photos").text == "the page"
        flat = client.post("/photos/api/search/text", json={})
        assert (flat.status_code, type(flat.json()["error"])) == (400, str)
        docs = client.get("/photos/docs").text
        assert "/photos/openapi.json" in docs
        assert client.get("/photos/openapi.json").json()["servers"] == [{"url": "/photos"}]
        assert client.get("/photos/static-offline-docs/swagger-ui.css").status_code == 200


def test_addresses_in_answers_lead_back_under_the_base_path(live_app: LiveApp, tmp_path: Path) -> None:
    with mounted(live_app, ApiOptions(export_dir=tmp_path), base_path="/photos") as client:
        added = client.post("/photos/upload", files={"image": ("a.png", png("red", "disc", 4_100))})
        item = added.json()["item"]
        job = client.post("/photos/api/jobs/export", json={"kind": "csv"})
        live_app.jobs.wait(60)
        flat = client.post("/photos/api/search/text", json={"query": "red", "top_k": 1}).json()["results"]
        alike = client.post("/photos/api/search/image", json={"image_id": item["item_id"], "top_k": 1}).json()["results"]
        full = client.post("/photos/search", json={"query": "red", "top_k": 1}).json()["results"]
        same = client.post("/photos/search", json={"image_id": item["item_id"], "top_k": 1}).json()["same_picture"]
        shown = [item, full[0]["item"], same[0], *client.get("/photos/api/items").json()["items"]]
        paths = [each[name] for each in shown for name in ("image", "thumbnail")]
        paths += [result["image_path"] for result in (*flat, *alike)]
        for path in (*paths, added.headers["Location"], job.headers["Location"]):
            assert path.startswith("/photos/api/"), path
            assert client.get(path).status_code == 200, path
            assert client.get(path).text != "the page", path
    live_app.remove_item(int(item["item_id"]))


def test_it_ends_with_its_server(tmp_path: Path) -> None:
    app = filled_app(tmp_path, 3)
    api = MountedApi(lambda: app, ApiOptions)

    async def run() -> None:
        switching = sys.getswitchinterval()
        async with api.serving():
            while api._api is None:
                await asyncio.sleep(0)
            assert (tmp_path / SOCKET_NAME).exists()
        sys.setswitchinterval(switching)

    asyncio.run(run())
    assert api._api is None
    assert not (tmp_path / SOCKET_NAME).exists()
    assert app.count() == 3, "the collection stays open"
    app.close()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="sends signals")
def test_streamlit_run_serves_both_from_one_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real command: the API opens without a visit to the page, and kept-alive connections have no delay."""
    installed(tmp_path / "here")
    settled(tmp_path / "here", monkeypatch)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless=true", f"--server.port={port}"]
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(command, cwd=PROJECT, stdout=log, stderr=log) as process,
    ):
        try:
            wait_until(lambda: process.poll() is not None or _answers(f"http://127.0.0.1:{port}/health"))
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert _answers(f"http://127.0.0.1:{port}/_stcore/health")
            connection = http.client.HTTPConnection("127.0.0.1", port)
            took = []
            for _ in range(30):
                began = time.perf_counter()
                connection.request("GET", "/api/items", headers={"Host": "localhost"})
                answer = connection.getresponse()
                assert "items" in json.loads(answer.read())
                took.append(time.perf_counter() - began)
            assert statistics.median(took) < 0.03, "44 ms is what Nagle's algorithm costs"
            connection.request("GET", "/api/items", headers={"Host": "evil.test"})
            assert connection.getresponse().status == 400
            connection.close()
            process.send_signal(signal.SIGTERM)
            process.wait(30)
        finally:
            process.kill()
    assert "Traceback" not in (tmp_path / "log").read_text()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
