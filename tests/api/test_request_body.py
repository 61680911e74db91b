"""Limits of request bodies, alone and together, and of the time to read them."""

import gzip
import json
import logging
import socket
import struct

import pytest
import requests
from pydantic import ValidationError
from starlette.testclient import TestClient

from api.json_text import value_of
from api.middleware.limits import _Held
from api.schemas import NewItemsRequest
from api.settings import ApiOptions
from crossmodal.errors import QueryError
from engine.live import LiveApp
from tests.api.conftest import Served
from tests.app_parts import png
from tests.waiting import wait_until

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("path", "size", "code"),
    [
        ("/search", 65_000, "text_too_long"),
        ("/search", 100_000, "text_too_long"),
        ("/api/search/text", 1_000_000, "text_too_long"),
        ("/search", 5_000_000, "too_large"),
        ("/api/search/batch", 5_000_000, "too_large"),
        ("/api/search/batch", 100_000, "text_too_long"),
    ],
)
def test_a_text_that_is_too_long_is_refused_as_such(client: TestClient, path: str, size: int, code: str) -> None:
    query = "x" * size
    question = {"queries": [query]} if path.endswith("batch") else {"query": query}
    response = client.post(path, content=json.dumps(question), headers=JSON | {"X-Error-Shape": "object"})
    assert (response.status_code, response.json()["error"]["code"]) == (413, code)


def test_the_bound_is_said_in_a_unit_that_suits_it(client: TestClient) -> None:
    for path, bound in (("/search", "128 KB"), ("/api/search/batch", "4 MB")):
        refused = client.post(path, content=b"x" * 5_000_000, headers=JSON).json()["error"]
        assert refused["message"] == f"The body is larger than {bound}."


def test_many_long_queries_are_taken(client: TestClient) -> None:
    queries = [f"{number} " + "é" * 1_900 for number in range(100)]
    assert len(client.post("/api/search/batch", json={"queries": queries, "top_k": 1}).json()["answers"]) == 100


@pytest.mark.parametrize(
    "text",
    [
        b'{"queries":[' + b"[]," * 1_000_000 + b"1]}",
        b'{"items":[{' + b",".join(b'"%x":0' % number for number in range(90_000)) + b"}]}",
        b"{" + b",".join(b'"%x":0' % number for number in range(300)) + b"}",
        b"[" * 90_000,
        b'{"a":' * 90_000,
        b"1" * 50_000,
        b"",
        b"\xff",
    ],
)
def test_json_that_is_no_question_is_refused_at_once(text: bytes) -> None:
    with pytest.raises(QueryError) as refused:
        value_of(text, "The body")
    assert refused.value.code == "bad_request"
    assert len(str(refused.value)) < 120


def test_of_many_faults_one_is_looked_for() -> None:
    items = [{f"{number:x}": 0 for number in range(199)}] * 199
    with pytest.raises(ValidationError) as refused:
        NewItemsRequest.model_validate({"items": items}, strict=True)
    assert refused.value.error_count() <= 200


@pytest.mark.parametrize(
    ("text", "query"),
    [
        (rb'{"query": "a \ud83d\ude00"}', "a 😀"),
        (rb'{"query": "a \ud83d"}', "a \x1a"),
        (rb'{"query": "a \uDFFF b"}', "a \x1a b"),
        (b'{"query": "a \xed\xa0\x80"}', "a \x1a"),
        ('{"query": "가 \ud800"}'.encode("utf-16", "surrogatepass"), "가 \x1a"),
        ('{"query": "가"}'.encode(), "가"),
    ],
)
def test_half_characters_become_what_stands_for_the_unreadable(text: bytes, query: str) -> None:
    assert value_of(text, "The body") == {"query": query}


def test_bodies_together_are_bounded(live_app: LiveApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """One client sends slowly and holds most of the memory; another gets 503, and is served once there is room."""
    arrived, take = [0], _Held.take

    def counted(held: _Held, size: int) -> None:
        take(held, size)
        arrived[0] += size

    monkeypatch.setattr(_Held, "take", counted)
    with Served(live_app, ApiOptions(max_bodies_bytes=50_000)) as address:
        host, _, port = address.removeprefix("http://").partition(":")
        head = b"POST /upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 60000\r\n\r\n"
        picture = {"image": ("a.png", png("red", "disc", 8_100) + b"\0" * 20_000)}
        with socket.create_connection((host, int(port)), timeout=10) as slow:
            slow.sendall(head + b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n' + b"x" * 40_000)
            wait_until(lambda: arrived[0] >= 40_000)  # whoever is half in when the other comes would be the one who is refused
            answers = [requests.post(f"{address}/search", files=picture, timeout=10) for _ in range(20)]
            refused = next(answer for answer in answers if answer.status_code != 200)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "busy")
            assert refused.headers["Retry-After"] == "1"
            assert requests.get(f"{address}/health", timeout=10).status_code == 200
        wait_until(
            lambda: requests.post(f"{address}/search", files=picture, timeout=10).status_code == 200,
            "the room was never given back",
        )


def test_a_form_with_too_much_says_what_is_too_much(client: TestClient) -> None:
    files = [("images", (f"{number}.png", b"x")) for number in range(201)]
    refused = client.post("/api/items/batch", files=files)
    assert (refused.status_code, "200 files" in refused.json()["error"]["message"]) == (400, True)
    fields = {f"field{number}": "x" for number in range(60)}
    refused = client.post("/search", files={"image": ("a.png", b"x")}, data=fields)
    assert (refused.status_code, "50 fields" in refused.json()["error"]["message"]) == (400, True)
    refused = client.post("/search", files={"image": ("a.png", b"x")}, data={"query": "x" * 300_000})
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "text_too_long")


def test_a_media_type_is_read_without_regard_to_case(client: TestClient) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="images"; filename="a.png"\r\n\r\nx\r\n--b--\r\n'
    answer = client.post("/api/items/batch", content=body, headers={"Content-Type": "Multipart/Form-Data; boundary=b"})
    assert (answer.status_code, answer.json()["failed"]) == (200, 1)


PART = b'--b\r\nContent-Disposition: form-data; name="query"\r\n\r\nred disc\r\n'
FILE = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'


@pytest.mark.parametrize(
    "charset", ["undefined", "punycode", "utf-16", "idna", "base64", "no-such", "latin-1", '"utf-7"', "unicode_escape"]
)
@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=b", "application/x-www-form-urlencoded", "application/json"])
def test_text_is_utf_8(client: TestClient, kind: str, charset: str) -> None:
    answer = client.post("/search", content=PART + b"--b--\r\n", headers={"Content-Type": f"{kind}; charset={charset}"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_format")
    assert charset.strip('"') in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/search", "/api/search/text"])
def test_a_packed_body_is_told_so(client: TestClient, path: str) -> None:
    question, headers = gzip.compress(b'{"query": "red"}'), {"Content-Encoding": "gzip", "X-Error-Shape": "object"}
    answer = client.post(path, content=question, headers={"Content-Type": "application/json"} | headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_format")
    assert "'gzip'" in answer.json()["error"]["message"]
    assert client.post(path, json={"query": "red"}, headers={"Content-Encoding": "identity"}).status_code == 200


@pytest.mark.parametrize("kind", [None, "", " ", ";"])
def test_a_body_of_no_type_is_json(client: TestClient, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    assert client.post("/search", content=b'{"query": "red"}', headers=headers).status_code == 200


def test_an_empty_field_of_a_form_counts_as_left_out(client: TestClient) -> None:
    """Browsers send all fields of a form, the empty ones and a file that was not chosen, too."""
    nothing = {"top_k": "", "where": "", "image_id": "", "image": ""}
    answer = client.post("/search", data={"query": "red disc"} | nothing)
    assert (answer.status_code, answer.json()) == (200, client.post("/search", json={"query": "red disc"}).json())
    picture = {"image": ("a.png", png("red", "disc", 1))}
    assert client.post("/search", files=picture, data={"query": ""}).status_code == 200
    assert client.post("/search", data={"query": ""}).json()["error"]["code"] == "bad_request"


def test_an_empty_title_of_a_form_is_an_empty_title(client: TestClient, live_app: LiveApp) -> None:
    picture = {"image": ("a-red-thing.png", png("red", "disc", 8_200))}
    item = client.post("/upload", files=picture, data={"title": ""}).json()["item"]
    assert item["title"] == ""
    path = f"/api/items/{item['item_id']}"
    assert client.patch(path, data={"title": "red"}).json()["title"] == "red"
    assert client.patch(path, data={"title": ""}).json()["title"] == ""
    live_app.remove_item(int(item["item_id"]))


@pytest.mark.parametrize("path", ["/upload", "/api/items", "/search", "/api/search/image", "/api/search/image-to-text"])
def test_an_empty_file_is_refused_as_such(client: TestClient, path: str) -> None:
    answer = client.post(path, files={"image": ("a.png", b"")}, headers={"X-Error-Shape": "object"})
    assert answer.json()["error"]["code"] == "empty_file"


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", '"utf8"'])
def test_utf_8_may_be_said(client: TestClient, charset: str) -> None:
    kind = f"multipart/form-data; charset={charset}; boundary=b"
    answer = client.post("/search", content=PART + b"--b--\r\n", headers={"Content-Type": kind})
    assert answer.status_code == 200
    answer = client.post("/search", content=b'{"query": "red"}', headers={"Content-Type": f"application/json; charset={charset}"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "body", [PART, PART + b"--b", PART + b"--b\r\n", FILE + png("red", "disc", 1), FILE + b"x\r\n--b\r\n", PART[:20], b""]
)
def test_a_form_that_breaks_off_is_told_so(client: TestClient, body: bytes) -> None:
    for path, status in (("/search", 422), ("/api/search/image", 400), ("/api/items/batch", 422)):
        headers = {"Content-Type": "multipart/form-data; boundary=b", "X-Error-Shape": "object"}
        answer = client.post(path, content=body, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, "bad_request")
        assert "breaks off" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "fields"),
    [
        ("POST", "/api/search/text", {"query": "red"}),
        ("POST", "/correct-query", {"query": "red"}),
        ("PATCH", "/api/items/1", {"title": "red"}),
        ("POST", "/api/jobs/export", {"kind": "csv"}),
    ],
)
def test_a_file_that_nobody_reads_is_refused(client: TestClient, method: str, path: str, fields: dict[str, str]) -> None:
    """Ignored, the client would believe that it was searched with, or is the item's new picture."""
    sent = {"files": {"image": ("a.png", png("red", "disc", 1))}, "headers": {"X-Error-Shape": "object"}}
    answer = client.request(method, path, data=fields, **sent)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")
    assert answer.json()["error"]["message"] == "There is a file in the form, and none is read here."


def test_a_client_that_hangs_up_is_no_fault_of_ours(server: str, caplog: pytest.LogCaptureFixture) -> None:
    """It resets the connection in the middle of its upload."""

    def metrics() -> str:
        return requests.get(f"{server}/metrics", timeout=10).text

    host, _, port = server.removeprefix("http://").partition(":")
    heads = [
        (b"multipart/form-data; boundary=b", FILE + b"x" * 5_000),
        (b"application/json", b'{"query": "re'),
        (b"application/x-www-form-urlencoded", b"query=re"),
    ]
    for kind, body in heads:
        connection = socket.create_connection((host, int(port)), timeout=10)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(
            b"POST /search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: " + kind + b"\r\nContent-Length: 60000\r\n\r\n" + body
        )
        wait_until(lambda: "crossmodal_requests_under_way 2.0" in metrics())
        connection.close()
        wait_until(lambda: "crossmodal_requests_under_way 1.0" in metrics())
    assert 'crossmodal_requests_total{method="POST",route="/search",status="499"} 3.0' in metrics()
    assert 'route="/search",status="500"' not in metrics()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
