"""A hub on this computer that speaks the protocol of the true one, and fails as a test asks for.

GET /api/models/ID?blobs=true               commit, names, sizes and hashes
GET /ID/resolve/COMMIT/NAME                 a small file; for a large one 302 to another origin, as the true hub has it
GET /cdn/SHA256 (the other origin)          the content, by ranges
"""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COMMIT = "1234567890abcdef1234567890abcdef12345678"
LARGE = 4_000
"""Bytes from which a file is in the large storage, so that its SHA-256 is known and its address another one."""


@dataclass(frozen=True)
class Asked:
    """One request for content: the file, the first byte asked for, and how many were sent."""

    name: str
    begin: int
    sent: int
    authorization: str


@dataclass
class Hub:
    """What the server has and does; tests change it while it runs.

    Attributes:
        folder: the files of every repository.
        listing: changes the list of files before it is sent.
        fail_api, fail_body: answer a request in another way; True if they did. Called with the handler.
        cut_at: the connection ends when this many bytes of an answer are sent; None for never. `cuts` counts down.
        bytes_per_s: how fast a body is sent; None for at once.
        silent_after: bytes of a body after which nothing more comes until the server ends.
        corrupt: names whose content is sent with another last byte.
        ignore_range: begin at 0 whatever was asked.
    """

    folder: Path
    commit: str = COMMIT
    listing: Callable[[dict[str, Any]], dict[str, Any]] = lambda answer: answer
    fail_api: Callable[[Any], bool] = lambda handler: False
    fail_body: Callable[[Any], bool] = lambda handler: False
    cut_at: int | None = None
    cuts: int = 0
    bytes_per_s: int | None = None
    silent_after: int | None = None
    corrupt: set[str] = field(default_factory=set)
    ignore_range: bool = False
    asked: list[Asked] = field(default_factory=list)
    api: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    url: str = ""
    cdn_url: str = ""

    def sent(self, name: str) -> int:
        """Bytes sent of a file, all requests together."""
        return sum(request.sent for request in self.asked if request.name == name)

    def answer(self) -> dict[str, Any]:
        files = []
        for path in sorted(self.folder.iterdir()):
            content = path.read_bytes()
            entry: dict[str, Any] = {"rfilename": path.name, "size": len(content)}
            entry["blobId"] = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            if len(content) >= LARGE:
                entry["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
            files.append(entry)
        return self.listing({"id": "x/y", "modelId": "x/y", "sha": self.commit, "private": False, "siblings": files})


def respond(handler: Any, status: int, body: bytes = b"", **headers: str) -> bool:
    """Send a whole answer; True, for `fail_api` and `fail_body`."""
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
    return True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/api/models/"):
            self.hub.api.append(self.path)
            if not self.hub.fail_api(self):
                respond(self, 200, json.dumps(self.hub.answer()).encode(), Content_Type="application/json")
        elif "/resolve/" in path:
            self._resolve(path.partition("/resolve/")[2])
        elif path.startswith("/cdn/"):
            if not self.hub.fail_body(self):
                self._content(next(file for file in self.hub.folder.iterdir() if _sha256(file) == path.rpartition("/")[2]))
        else:
            respond(self, 404)

    def _resolve(self, wanted: str) -> None:
        commit, _, name = wanted.partition("/")
        file = self.hub.folder / name
        if commit != self.hub.commit:
            respond(self, 404, X_Error_Code="RevisionNotFound")
        elif not file.is_file():
            respond(self, 404, X_Error_Code="EntryNotFound")
        elif file.stat().st_size >= LARGE:
            headers = {"X_Linked_Size": str(file.stat().st_size), "X_Linked_ETag": f'"{_sha256(file)}"', "X_Repo_Commit": commit}
            respond(self, 302, Location=f"{self.hub.cdn_url}/cdn/{_sha256(file)}", **headers)
        elif not self.hub.fail_body(self):
            self._content(file)

    def _content(self, file: Path) -> None:
        hub, content = self.hub, file.read_bytes()
        if file.name in hub.corrupt:
            content = content[:-1] + bytes([content[-1] ^ 1])
        asked = self.headers.get("Range", "")
        begin = int(asked.removeprefix("bytes=").partition("-")[0]) if asked and not hub.ignore_range else 0
        self.send_response(206 if asked and not hub.ignore_range else 200)
        self.send_header("ETag", '"../../../evil"')  # never used
        self.send_header("Content-Length", str(len(content) - begin))
        if asked and not hub.ignore_range:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        sent, piece = 0, 1024 if hub.bytes_per_s or hub.cut_at or hub.silent_after else 2**16
        try:
            while begin + sent < len(content):
                if hub.cuts and hub.cut_at is not None and sent >= hub.cut_at:
                    hub.cuts -= 1
                    self.close_connection = True
                    return
                if hub.silent_after is not None and sent >= hub.silent_after:
                    hub.over.wait(60)
                    self.close_connection = True
                    return
                sent += self.wfile.write(content[begin + sent : begin + sent + piece])
                if hub.bytes_per_s:
                    self.wfile.flush()
                    time.sleep(piece / hub.bytes_per_s)
        except OSError:
            self.close_connection = True
        finally:
            hub.asked.append(Asked(file.name, begin, sent, self.headers.get("Authorization", "")))


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@contextmanager
def serving(folder: Path, **attributes: Any) -> Iterator[Hub]:
    """The hub of a folder, at two ports of this computer."""
    hub = Hub(folder, **attributes)
    handler = type("Handler", (_Handler,), {"hub": hub})
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), handler) for _ in range(2)]
    for server in servers:
        server.daemon_threads = True
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    hub.url, hub.cdn_url = (f"http://127.0.0.1:{server.server_address[1]}" for server in servers)
    try:
        yield hub
    finally:
        hub.over.set()
        for server in servers:
            server.shutdown()
            server.server_close()


def point_client_at(url: str, monkeypatch: Any) -> None:
    """Let the hub's client ask this address; in a process of its own, `HF_ENDPOINT` does."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", url)
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
