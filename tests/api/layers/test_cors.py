"""Pages of listed origins: they can read every answer, and learn beforehand what they may ask, from a server called by its own name."""

import pytest
from starlette.testclient import TestClient

from api import ApiOptions, create_api
from tests.api.conftest import BASE
from upkeep.live_app import LiveApp

KEY = "a key of twenty-four chars"
PAGE = {"Origin": "https://shop.example"}
ASKS = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "X-API-Key, Content-Type"}


def client_of(app: LiveApp, **options: object) -> TestClient:
    chosen = ApiOptions(cors_origins=("https://shop.example",), keys=(KEY,), **options)
    return TestClient(create_api(app, chosen), base_url=BASE, raise_server_exceptions=False)


def test_every_refusal_can_be_read(live_app: LiveApp, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(live_app, "attribute_values", broken)
    with client_of(live_app) as client:
        key = {"X-API-Key": KEY}
        answers = [
            client.get("/api/items", headers=PAGE),
            client.get("/api/items", headers=PAGE | key | {"X-Long": "x" * 40_000}),
            client.get("/api/attributes", headers=PAGE | key),
            client.get("/nothing", headers=PAGE | key),
            client.post("/search", headers=PAGE | key, json={}),
        ]
        assert [answer.status_code for answer in answers] == [401, 431, 500, 404, 422]
        for answer in answers:
            assert answer.headers["Access-Control-Allow-Origin"] == PAGE["Origin"]
            assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]
            assert answer.headers["Vary"] == "Origin"


def test_a_foreign_page_reads_nothing(live_app: LiveApp) -> None:
    with client_of(live_app) as client:
        for answer in (
            client.get("/health", headers={"Origin": "https://evil.test"}),
            client.post("/search", headers={"Origin": "https://evil.test", "X-API-Key": KEY}, json={"query": "red"}),
            client.options("/search", headers={"Origin": "https://evil.test"} | ASKS),
        ):
            assert "Access-Control-Allow-Origin" not in answer.headers
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")


def test_a_preflight_needs_no_key_but_the_servers_own_name(live_app: LiveApp) -> None:
    with client_of(live_app) as client:
        asked = client.options("/search", headers=PAGE | ASKS)
        assert asked.status_code == 200
        assert asked.headers["Access-Control-Allow-Origin"] == PAGE["Origin"]
        assert "POST" in asked.headers["Access-Control-Allow-Methods"]
        assert client.options("/search", headers=PAGE | ASKS | {"Host": "evil.test"}).status_code == 400
        assert client.options("/search", headers=PAGE | ASKS | {"Access-Control-Request-Method": "TRACE"}).status_code == 403
