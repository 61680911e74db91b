"""A small web server on this computer, and a fetcher to whom it looks like the public network."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from typing import Any

from crossmodal.images.fetch import Fetcher, FetchLimits, dial
from crossmodal.images.public_address import is_public

PUBLIC = "93.184.215.14"

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers a path with what the test put under it."""

    server: "Web"

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers.items())))
        self.close_connection = True
        with suppress(BrokenPipeError, ConnectionResetError):  # the fetcher had enough, which is what these tests are about
            self.server.answers[self.path.split("?")[0]](self)

    def log_message(self, *_: object) -> None:
        pass

    def raw(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()

    def send(self, body: bytes = b"", *, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.raw(body)


class Web(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, answers: dict[str, Answer], tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = answers
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.dialled: list[tuple[str, int]] = []
        self.looked_up: list[str] = []
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)

    def handle_error(self, *_: object) -> None:
        """A handshake that the fetcher refused is no news."""

    def dial(self, address: str, port: int, timeout_s: float) -> socket.socket:
        """Leads every public address here, and refuses to be given any other."""
        assert is_public(ip_address(address)), address
        self.dialled.append((address, port))
        return dial("127.0.0.1", self.server_port, timeout_s)

    def resolve(self, host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        self.looked_up.append(host)
        if host == "nowhere.example":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        addresses = ["10.0.0.7"] if host.startswith("inside.") else [PUBLIC]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    def fetcher(self, *, tls: ssl.SSLContext | None = None, allow: tuple[str, ...] = (), **limits: Any) -> Fetcher:
        return Fetcher(FetchLimits(**({"timeout_s": 5.0} | limits)), allow=allow, resolve=self.resolve, dial=self.dial, tls=tls)


@contextmanager
def serve(answers: dict[str, Answer], *, tls: ssl.SSLContext | None = None) -> Iterator[Web]:
    """A server for the length of a block."""
    with Web(answers, tls) as web:
        thread = threading.Thread(target=web.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield web
        finally:
            web.shutdown()
            thread.join()
