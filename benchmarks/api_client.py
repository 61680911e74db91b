"""A minimal HTTP client for load tests: one persistent connection, and no needless parsing."""

import http.client
import json
import time
from typing import Any
from urllib.parse import urlsplit


class Client:
    """One client with one connection. `failed` collects unexpected responses."""

    def __init__(self, address: str, *, timeout_s: float = 60.0) -> None:
        parts = urlsplit(address)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)
        self.failed: list[str] = []

    def ask(self, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> tuple[int, bytes]:
        """Status and body of a response."""
        self._connection.request(method, path, body, {"Content-Type": kind} if body is not None else {})
        response = self._connection.getresponse()
        return response.status, response.read()

    def timed(self, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> tuple[float, bytes]:
        """Milliseconds and body of a response; any status but 2xx is recorded in `failed`."""
        began = time.perf_counter()
        status, text = self.ask(method, path, body, kind)
        took = 1e3 * (time.perf_counter() - began)
        if not 200 <= status < 300:
            self.failed.append(f"{method} {path} {status} {text[:200]!r}")
        return took, text

    def search(self, query: str, top_k: int = 10) -> tuple[float, dict[str, Any]]:
        """Milliseconds and response of `POST /api/search/text`."""
        took, text = self.timed("POST", "/api/search/text", json.dumps({"query": query, "top_k": top_k}).encode())
        return took, json.loads(text)

    def add(self, picture: bytes, title: str) -> tuple[int, dict[str, Any]]:
        """Status and response of `POST /api/items` with a file."""
        parts = [
            b'--b\r\nContent-Disposition: form-data; name="title"\r\n\r\n' + title.encode(),
            b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n' + picture,
        ]
        body = b"\r\n".join([*parts, b"--b--\r\n"])
        status, text = self.ask("POST", "/api/items", body, "multipart/form-data; boundary=b")
        return status, json.loads(text)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
