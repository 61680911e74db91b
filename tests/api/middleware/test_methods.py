"""HEAD and OPTIONS."""

from pathlib import Path

import pytest
import requests
from starlette.testclient import TestClient

from api.app import create_api
from api.settings import ApiOptions
from engine.live import LiveApp
from tests.api.conftest import BASE, Served

CHANGING = {"date", "x-request-id"}


@pytest.mark.parametrize(
    "path", ["/health", "/api/stats", "/api/items", "/api/image/1", "/api/image/1/thumbnail?size=16", "/openapi.json", "/docs"]
)
def test_head_is_get_without_a_body(server: str, path: str) -> None:
    got, headed = (requests.request(method, server + path, timeout=10) for method in ("GET", "HEAD"))
    assert (headed.status_code, headed.content) == (200, b"")
    assert {name: value for name, value in headed.headers.items() if name.lower() not in CHANGING} == {
        name: value for name, value in got.headers.items() if name.lower() not in CHANGING
    }


def test_head_of_what_is_not_there(server: str) -> None:
    assert requests.head(f"{server}/api/image/nothing", timeout=10).status_code == 404
    refused = requests.head(f"{server}/correct-query", timeout=10)
    assert (refused.status_code, refused.headers["Allow"]) == (405, "OPTIONS, POST")
    metrics = requests.get(f"{server}/metrics", timeout=10).text
    assert 'method="HEAD",route="/api/image/{image_id}",status="404"' in metrics


def test_a_whole_export_is_not_read_for_its_headers(live_app: LiveApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "items-20260101-000000-000.csv"
    (tmp_path / name).write_bytes(b"x" * 300_000)
    with Served(live_app, ApiOptions(export_dir=tmp_path)) as address:
        url = f"{address}/api/exports/{name}"
        assert requests.head(url, timeout=10).headers["Content-Length"] == "300000"
        part = requests.head(url, headers={"Range": "bytes=0-9"}, timeout=10)
        assert (part.status_code, part.headers["Content-Length"], part.content) == (206, "10", b"")
        monkeypatch.setattr("anyio.open_file", None)
        assert requests.head(url, timeout=10).status_code == 200


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/health", "GET, HEAD, OPTIONS"),
        ("/search", "GET, HEAD, OPTIONS, POST"),
        ("/correct-query", "OPTIONS, POST"),
        ("/api/items", "GET, HEAD, OPTIONS, POST"),
        ("/api/items/1", "DELETE, GET, HEAD, OPTIONS, PATCH"),
    ],
)
def test_what_can_be_asked_is_told(client: TestClient, path: str, allowed: str) -> None:
    told = client.options(path)
    assert (told.status_code, told.headers["Allow"], told.content) == (204, allowed, b"")
    refused = client.put(path)
    assert (refused.status_code, refused.headers["Allow"]) == (405, allowed)


def test_nothing_can_be_asked_of_what_is_not_there(client: TestClient, live_app: LiveApp) -> None:
    assert client.options("/nothing").status_code == 404
    key = "a key of twenty-four chars"
    with TestClient(create_api(live_app, ApiOptions(keys=(key,))), base_url=BASE) as closed:
        assert closed.options("/api/items").status_code == 401
        assert closed.head("/api/items").status_code == 401
        assert closed.head("/health").status_code == 200
