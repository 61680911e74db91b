"""Forms that are broken off, or claim a character set that is none, or are left by their client."""

import gzip
import logging
import socket
import struct
import time

import pytest
import requests
from starlette.testclient import TestClient

from tests.app_parts import png

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
    """Passed over, it would be taken for searched with, or for the new picture of the item."""
    sent = {"files": {"image": ("a.png", png("red", "disc", 1))}, "headers": {"X-Error-Shape": "object"}}
    answer = client.request(method, path, data=fields, **sent)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")
    assert answer.json()["error"]["message"] == "There is a file in the form, and none is read here."


def test_a_client_that_hangs_up_is_no_fault_of_ours(server: str, caplog: pytest.LogCaptureFixture) -> None:
    """It closes in the middle of its upload, and with a reset, which the server hears at once."""
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
        time.sleep(0.1)
        connection.close()
    wanted = 'crossmodal_requests_total{method="POST",route="/search",status="499"} 3.0'
    for _ in range(100):
        text = requests.get(f"{server}/metrics", timeout=10).text
        if wanted in text:
            break
        time.sleep(0.05)
    assert wanted in text
    assert 'route="/search",status="500"' not in text
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
