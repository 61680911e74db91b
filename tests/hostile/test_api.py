"""The hostile corpus through the API, over real HTTP: the manifest's outcome, a code of ours, no fault of ours, a living server."""

import contextlib
import http.client
import io
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import pytest
import requests
from PIL import Image

from crossmodal.errors import HTTP_STATUS
from tests.hostile.conftest import Corpus, Entry, EvilServer, running_evil_server
from tests.hostile.test_traps import SLOW_TO_BUILD

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parents[2]
FAR_SIDE = {502, 504}
TIMEOUT_S = 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the collection lies."""
    return tmp_path_factory.mktemp("hostile_api")


@pytest.fixture(scope="module")
def evil(hostile_corpus: Corpus) -> Iterator[EvilServer]:
    """One trap server for this file."""
    with running_evil_server(hostile_corpus) as server:
        yield server


@pytest.fixture(scope="module")
def address(folder: Path, evil: EvilServer) -> Iterator[str]:
    """A server in a process of its own, asked for its health ten times a second by another, from the first test to the last."""
    command = [sys.executable, "-m", "tests.hostile.served", str(folder), str(evil.port), str(evil.canary)]
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://"), "the server did not start"
        with HealthWatch(address) as watch:
            yield address
        print(watch.said)  # noqa: T201  shown with -s
        process.stdin.close()
        assert process.wait(30) == 0
    assert watch.failed == 0
    assert len(watch.took_ms) > 20


class HealthWatch:
    """Asks `/health` in a process of its own. How long it took is printed, not judged: other tests may run beside this one."""

    def __init__(self, address: str) -> None:
        self._command = [sys.executable, "-m", "benchmarks.health_watch", address]
        self.took_ms: list[float] = []
        self.failed = 0

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *error: object) -> None:
        said, _ = self._process.communicate("", timeout=60)
        figures = [float(figure) for figure in said.split()]
        self.took_ms = [figure for figure in figures if figure >= 0]
        self.failed = len(figures) - len(self.took_ms)

    @property
    def said(self) -> str:
        """The figures in words."""
        ordered = sorted(self.took_ms)
        p50, p99 = (ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.99))
        return f"/health asked {len(ordered)} times: p50 {p50:.1f} ms, p99 {p99:.1f} ms, slowest {ordered[-1]:.1f} ms"


def complaint(entry: Entry, status: int, text: str) -> str:
    """Empty when the answer is what the manifest wants."""
    expect = entry["expect"]
    if "Traceback" in text or str(PROJECT) in text or 'File "' in text:
        return f"tells about the inside: {text[:200]}"
    if status < 400:
        return "was accepted" if expect["outcome"] == "reject" else ""
    said = json.loads(text)
    code = (said["details"] if isinstance(said["error"], str) else said["error"])["code"]
    if code not in HTTP_STATUS or (status >= 500 and status not in FAR_SIDE):
        return f"{status} {code}"
    if expect["outcome"] == "accept":
        return f"was refused: {text[:200]}"
    wanted = "" if entry["cls"] == "query" and expect["outcome"] == "either" else expect.get("code", "")
    return f"{code} is none of {wanted}" if wanted and code not in wanted.split("|") else ""


def lives(address: str) -> bool:
    return requests.get(f"{address}/health", timeout=TIMEOUT_S).status_code == 200


@pytest.mark.timeout(240)
def test_every_picture(hostile_corpus: Corpus, address: str) -> None:
    wrong, served = {}, 0
    for entry in hostile_corpus.entries("picture"):
        response = requests.post(f"{address}/upload", files={"image": ("x.jpg", hostile_corpus.data(entry))}, timeout=TIMEOUT_S)
        said = complaint(entry, response.status_code, response.text)
        if response.status_code < 400:
            item_id = response.json()["item"]["item_id"]
            for path in (f"/api/image/{item_id}", f"/api/image/{item_id}/thumbnail?size=64"):
                said = said or bad_picture(requests.get(address + path, timeout=TIMEOUT_S), entry)
            served += 1
        if said:
            wrong[entry["id"]] = said
    assert wrong == {}
    assert served > 30
    assert lives(address)
    assert not hostile_corpus.canary_fired("picture")


def bad_picture(response: requests.Response, entry: Entry) -> str:
    headers = response.headers
    if headers["Content-Type"] != "image/jpeg" or headers["X-Content-Type-Options"] != "nosniff":
        return f"served as {headers}"
    if "sandbox" not in headers["Content-Security-Policy"]:
        return "served without a sandbox"
    if any(forbidden.encode() in response.content for forbidden in entry["expect"].get("no_bytes", ())):
        return "served with bytes of the original"
    image = Image.open(io.BytesIO(response.content))
    return "served with metadata" if image.getexif() or {"exif", "icc_profile", "comment"} & set(image.info) else ""


def test_every_address(hostile_corpus: Corpus, evil: EvilServer, address: str) -> None:
    wrong = {}
    fills = {"{canary}": str(evil.canary), "{port}": str(evil.port), "{hostname}": socket.gethostname()}
    for entry in hostile_corpus.entries("url"):
        url = entry["value"]
        for name, value in fills.items():
            url = url.replace(name, value)
        response = requests.post(f"{address}/search", data=json.dumps({"image_url": url}), headers=JSON, timeout=TIMEOUT_S)
        said = complaint(entry, response.status_code, response.text)
        if said:
            wrong[entry["id"]] = said
    assert wrong == {}
    assert evil.canary_hits() == []


@pytest.mark.timeout(180)
def test_every_trap(evil: EvilServer, address: str) -> None:
    """As many at once as the API lets fetch at once, and some more."""
    traps = evil.ask("/__index")
    order = sorted(traps, key=lambda path: SLOW_TO_BUILD.index(path) if path in SLOW_TO_BUILD else len(SLOW_TO_BUILD))

    def spring(path: str) -> str:
        question = {"image_url": f"http://evil.test:{evil.port}{path}"}
        response = requests.post(f"{address}/search", json=question, timeout=TIMEOUT_S)
        expect = {"outcome": traps[path]["outcome"], "code": traps[path]["code"]}
        return complaint({"cls": "trap", "expect": expect}, response.status_code, response.text)

    said = {path: spring(path) for path in order[: len(SLOW_TO_BUILD)]}
    rest = order[len(SLOW_TO_BUILD) :]
    with ThreadPoolExecutor(12) as pool:
        said |= dict(zip(rest, pool.map(spring, rest), strict=True))
    assert len(said) >= 116
    assert {path: complaint for path, complaint in said.items() if complaint} == {}
    assert evil.canary_hits() == []
    assert lives(address)


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("path", ["/api/search/text", "/search"])
def test_every_text(hostile_corpus: Corpus, address: str, path: str) -> None:
    wrong = {}
    for entry in hostile_corpus.entries("text"):
        response = requests.post(address + path, data=json.dumps({"query": entry["value"]}), headers=JSON, timeout=TIMEOUT_S)
        said = complaint(entry, response.status_code, response.text)
        if (
            response.status_code >= 400
            and "http" in entry["expect"]
            and path == "/search"
            and response.status_code != entry["expect"]["http"]
        ):
            said = said or f"{response.status_code} is not {entry['expect']['http']}"
        if response.status_code < 400 and entry["expect"].get("shown_literally") and path == "/api/search/text":
            said = said or ("" if response.json()["query"] == entry["value"] else "is not answered as it was sent")
        if said:
            wrong[entry["id"]] = said
    assert wrong == {}


@pytest.mark.parametrize("path", ["/search", "/api/search/text"])
def test_every_query(hostile_corpus: Corpus, address: str, path: str) -> None:
    wrong, entries = {}, hostile_corpus.entries("query")
    for entry in entries:
        status, text = asked(address, path, entry["value"])
        wanted = entry["expect"].get("http", 422)
        said = complaint(entry, status, text)
        if status >= 400 and entry["expect"]["outcome"] == "reject":
            reference = 400 if wanted == 422 and path.startswith("/api/") else wanted
            said = said or ("" if status == reference else f"{status} is not {reference}")
        if said and not (path.startswith("/api/") and entry["id"] in UNKNOWN_TO_THE_REFERENCE):
            wrong[entry["id"]] = said
        assert lives(address), entry["id"]
    assert len(entries) == 24
    assert wrong == {}


UNKNOWN_TO_THE_REFERENCE = {"query/alpha_nan", "query/alpha_inf"}
"""Its clients may send fields it does not know; they are passed over."""


def asked(address: str, path: str, value: Any) -> tuple[int, str]:
    """One of the corpus' queries: fields of the JSON, or something about how it is sent."""
    headers, body = dict(JSON), b""
    if isinstance(value, str):
        body = value.encode()
    elif "content_length" in value:
        headers["Content-Length"] = str(value["content_length"])
    elif "content_type" in value:
        headers["Content-Type"], body = value["content_type"], b'{"query": "red"}'
    elif "header" in value:
        name, _, text = value["header"].partition(": ")
        headers[name], body = text, b'{"query": "red"}'
    elif "multipart_parts" in value:
        headers["Content-Type"] = "multipart/form-data; boundary=b"
        body = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n' * value["multipart_parts"] + b"--b--\r\n"
    elif "multipart_unterminated" in value:
        headers["Content-Type"] = "multipart/form-data; boundary=b"
        body = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\nxxxx'
    else:
        body = json.dumps({"query": "red"} | value).encode()
    headers.setdefault("Content-Length", str(len(body)))
    host, _, port = address.removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=TIMEOUT_S)
    try:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # refused while it was being sent; the answer is there
            connection.request("POST", path, body, headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def test_every_name_of_a_picture(hostile_corpus: Corpus, address: str) -> None:
    wrong = {}
    host, _, port = address.removeprefix("http://").partition(":")
    for entry in hostile_corpus.entries("name"):
        if not entry["id"].startswith("name/image_id_"):
            continue
        raw = "".join(ch if ch.isascii() and ch > " " else "".join(f"%{byte:02X}" for byte in ch.encode()) for ch in entry["value"])
        for path in (f"/api/image/{raw}", f"/api/image/{raw}/thumbnail"):
            connection = http.client.HTTPConnection(host, int(port), timeout=TIMEOUT_S)
            connection.request("GET", path)
            response = connection.getresponse()
            said = complaint(entry, response.status, response.read().decode("latin-1"))
            connection.close()
            if said:
                wrong[f"{entry['id']} {path[:60]}"] = said
        response = requests.post(f"{address}/api/search/image", json={"image_id": entry["value"]}, timeout=TIMEOUT_S)
        said = complaint(entry, response.status_code, response.text)
        if said:
            wrong[f"{entry['id']} as image_id"] = said
    assert wrong == {}


def test_every_name_of_a_file(hostile_corpus: Corpus, folder: Path, address: str) -> None:
    picture = hostile_corpus.data(hostile_corpus.entries("picture")[0])
    wrong = {}
    for number, entry in enumerate(hostile_corpus.entries("name")):
        if not entry["id"].startswith("name/upload_"):
            continue
        name = entry["value"].encode("utf-8", "surrogateescape").replace(b'"', b'\\"').replace(b"\r", b"%0D").replace(b"\n", b"%0A")
        data = picture + bytes([number])  # bytes after the end: another file
        body = b'--b\r\nContent-Disposition: form-data; name="image"; filename="' + name + b'"\r\n\r\n' + data + b"\r\n--b--\r\n"
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        response = requests.post(f"{address}/upload", data=body, headers=headers, timeout=TIMEOUT_S)
        said = complaint(entry, response.status_code, response.text)
        if not said and not response.json()["created"]:
            said = "was taken for another"
        if said:
            wrong[entry["id"]] = said
    assert wrong == {}
    below = {path.name for path in folder.rglob("*")} - {"things"}
    assert not [name for name in below if "evil" in name or "shell" in name or name == "x"]
