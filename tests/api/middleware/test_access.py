"""Access checks (host, origin, key), CORS for listed origins, rate, time and size limits."""

import threading
from dataclasses import replace

import pytest
import requests
from starlette.testclient import TestClient

from api.app import create_api
from api.middleware.access import Gate
from api.settings import OPEN_RATE, ApiOptions, options_from
from config import Settings
from crossmodal.errors import CrossmodalError
from engine.live import LiveApp
from tests.api.conftest import BASE, Served, raw

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


def api_client(app: LiveApp, **options: object) -> TestClient:
    return TestClient(create_api(app, ApiOptions(**options)), base_url=BASE, raise_server_exceptions=False)


def test_without_keys_it_serves_this_computer_only() -> None:
    assert options_from(Settings()).keys == ()
    for host in ("0.0.0.0", "::", "192.168.1.5", "example.org"):
        with pytest.raises(CrossmodalError) as refused:
            options_from(Settings(api_host=host))
        assert refused.value.code == "bad_request"
        assert "CROSSMODAL_API_KEYS" in refused.value.remedy
    for host in ("127.0.0.1", "::1", "localhost", "127.9.9.9"):
        assert options_from(Settings(api_host=host)).allow_paths


def test_with_a_key_it_opens_but_not_its_folders() -> None:
    options = options_from(Settings(api_host="0.0.0.0", api_keys=(KEY,)))
    assert not options.allow_paths
    assert options.requests_per_minute == OPEN_RATE
    assert KEY not in repr(options)
    assert KEY not in repr(Settings(api_keys=(KEY,)))
    with pytest.raises(CrossmodalError, match="shorter"):
        options_from(Settings(api_host="0.0.0.0", api_keys=("short",)))


def test_cors_is_never_open_to_all() -> None:
    with pytest.raises(CrossmodalError, match="CORS"):
        options_from(Settings(api_cors_origins=("*",)))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"X-API-Key": "wrong"}, 401),
        ({"X-API-Key": ""}, 401),
        ({"Authorization": f"Basic {KEY}"}, 401),
        ({"X-API-Key": KEY}, 200),
        ({"Authorization": f"Bearer {KEY}"}, 200),
        ({"X-API-Key": "another key of many characters"}, 200),
    ],
)
def test_a_key_is_asked_for(live_app: LiveApp, headers: dict[str, str], status: int) -> None:
    with api_client(live_app, keys=(KEY, "another key of many characters")) as client:
        response = client.get("/api/items", headers=headers)
        assert response.status_code == status
        if status == 401:
            assert response.json()["error"]["code"] == "unauthorized"
            assert response.headers["www-authenticate"] == "Bearer"
        assert client.get("/health").status_code == 200
        assert client.get("/metrics").status_code == 401


def test_the_document_says_that_keys_are_asked_for(live_app: LiveApp) -> None:
    with api_client(live_app, keys=(KEY,)) as client:
        document = client.get("/openapi.json").json()
    assert set(document["components"]["securitySchemes"]) == {"key", "bearer"}
    assert document["paths"]["/health"]["get"]["security"] == []
    assert document["paths"]["/api/items"]["get"]["security"]


@pytest.mark.parametrize(
    "host", ["evil.test", "127.0.0.1.evil.test", "evil.test:5000", "", "[::2]:5000", "localhost@evil.test", "["]
)
def test_a_rebound_name_is_refused(client: TestClient, host: str) -> None:
    response = client.get("/api/items", headers={"Host": host})
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "bad_request"


@pytest.mark.parametrize("host", ["127.0.0.1:5000", "localhost", "LOCALHOST:1", "[::1]:5000"])
def test_its_own_names_are_taken(client: TestClient, host: str) -> None:
    assert client.get("/api/items", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.test", "null", "http://127.0.0.1:9999", "http://127.0.0.1.evil.test", "http://[", "["]
)
def test_a_foreign_page_changes_nothing(client: TestClient, live_app: LiveApp, origin: str) -> None:
    before = live_app.count()
    response = client.post("/upload", headers={"Origin": origin}, files={"image": ("a.png", b"x")})
    assert response.status_code == 403
    assert live_app.count() == before
    assert "access-control-allow-origin" not in client.get("/health", headers={"Origin": origin}).headers


@pytest.mark.slow
def test_a_listed_page_may_call(live_app: LiveApp) -> None:
    with api_client(live_app, cors_origins=("https://shop.example",), keys=(KEY,)) as client:
        page = {"Origin": "https://shop.example"}
        asked = page | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "X-API-Key"}
        assert client.options("/api/search/text", headers=asked).headers["access-control-allow-origin"] == page["Origin"]
        found = client.post("/api/search/text", json={"query": "red"}, headers=page | {"X-API-Key": KEY})
        assert (found.status_code, found.headers["access-control-allow-origin"]) == (200, page["Origin"])


def test_too_many_requests_are_told_when_to_come_again(live_app: LiveApp) -> None:
    with api_client(live_app, requests_per_minute=3) as client:
        answers = [client.get("/api/attributes") for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert answers[-1].json()["error"]["code"] == "rate_limited"
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
        assert client.get("/health").status_code == 200


def test_too_many_at_once_are_told_to_come_again(live_app: LiveApp, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, release = threading.Semaphore(0), threading.Event()

    def slow(limit: int = 50) -> dict[str, object]:
        entered.release()
        release.wait(20)
        return {}

    monkeypatch.setattr(live_app, "attribute_values", slow)
    with Served(live_app, ApiOptions(max_concurrent=2)) as address:
        threads = [
            threading.Thread(target=requests.get, args=(f"{address}/api/attributes",), kwargs={"timeout": 30}) for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        for _ in threads:
            assert entered.acquire(timeout=20)
        refused = requests.get(f"{address}/api/items", timeout=10)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "busy")
        assert refused.headers["Retry-After"] == "1"
        assert requests.get(f"{address}/health", timeout=10).json()["num_images"] == live_app.count()
        release.set()
        for thread in threads:
            thread.join(20)
        assert requests.get(f"{address}/api/items", timeout=10).status_code == 200


def test_made_up_keys_are_no_new_clients(live_app: LiveApp) -> None:
    with api_client(live_app, requests_per_minute=3, keys=(KEY,)) as client:
        answers = [client.get("/openapi.json", headers={"X-API-Key": f"made up {number}"}).status_code for number in range(5)]
        assert answers == [200, 200, 200, 429, 429]
        assert client.get("/openapi.json", headers={"X-API-Key": KEY}).status_code == 200


def test_a_fault_of_ours_is_no_answer_that_came_too_late(live_app: LiveApp, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow_inside() -> None:
        raise TimeoutError

    monkeypatch.setattr(live_app, "attribute_values", slow_inside)
    with api_client(live_app) as client:
        response = client.get("/api/attributes")
        assert (response.status_code, response.json()["error"]["code"]) == (500, "internal")


def test_an_answer_that_takes_too_long_is_a_busy_server(live_app: LiveApp, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(live_app, "attribute_values", lambda: release.wait(20))
    with api_client(live_app, request_timeout_s=0.1) as client:
        response = client.get("/api/attributes")
        release.set()
        assert (response.status_code, response.json()["error"]["code"]) == (503, "busy")


def test_a_body_is_counted_whatever_it_claims(live_app: LiveApp) -> None:
    with Served(live_app, ApiOptions(max_json_bytes=1_000)) as address:

        def chunks() -> object:
            for _ in range(10):
                yield b" " * 500

        chunked = requests.post(f"{address}/search", data=chunks(), headers={"Content-Type": "application/json"}, timeout=10)
        claimed = requests.post(f"{address}/search", data=b" " * 1_001, headers={"Content-Type": "application/json"}, timeout=10)
        for response in (chunked, claimed):
            assert (response.status_code, response.json()["error"]["code"]) == (413, "too_large")


@pytest.mark.slow
def test_a_body_that_never_ends_is_ended(live_app: LiveApp) -> None:
    with Served(live_app, ApiOptions(body_timeout_s=0.3)) as address:
        head = b"POST /search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
        answer = raw(address, head)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b'"code":"timeout"' in answer


def test_headers_that_never_end_are_ended(live_app: LiveApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.slow_clients.HEADER_TIMEOUT_S", 0.3)
    with Served(live_app, ApiOptions()) as address:
        assert raw(address, b"GET /health HTTP/1.1\r\nHost: 127.") == b""
        assert raw(address, b"") == b""
        kept = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        assert raw(address, kept, b"GET /hea").count(b"healthy") == 1


def test_what_is_no_http_gets_our_shape(server: str) -> None:
    answer = raw(server, b"GET /health HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"bad_request"' in answer


def test_keys_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every key is compared, with `hmac.compare_digest`, whichever matches."""
    compared: list[tuple[bytes, bytes]] = []
    monkeypatch.setattr("hmac.compare_digest", lambda a, b: compared.append((a, b)) or a == b)
    gate = Gate(lambda *_: None, replace(ApiOptions(), keys=("one" * 8, "two" * 8, "six" * 8)))
    scope = {"path": "/api/items", "method": "GET"}
    for key in ("one" * 8, "six" * 8, "no"):
        compared.clear()
        gate._without_key({b"x-api-key": key.encode()}, scope)
        assert len(compared) == 3
        assert {len(side) for pair in compared for side in pair} == {32}


def test_a_fault_of_ours_tells_nothing_but_a_number(
    client: TestClient, live_app: LiveApp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise RuntimeError("/secret/path")

    monkeypatch.setattr(live_app, "attribute_values", broken)
    response = client.get("/api/attributes")
    assert (response.status_code, response.json()["error"]["code"]) == (500, "internal")
    assert "secret" not in response.text
    assert response.headers["X-Request-ID"] in response.json()["error"]["remedy"]
    assert response.headers["X-Request-ID"] in caplog.text


def test_every_answer_says_what_it_is(client: TestClient) -> None:
    for path in ("/health", "/api/items", "/nothing", "/api/image/1", "/metrics"):
        assert client.get(path).headers["X-Content-Type-Options"] == "nosniff"
