"""Chromium against the running app. Skips, saying why, where Chromium or Playwright is missing."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = (
    os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
READY_S = 600
_PROBE = re.compile(r"//[^/]+/\w+/_stcore/")  # opened at a page other than the first, Streamlit first asks where its server lies

try:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect
except ImportError:
    collect_ignore_glob = ["test_*.py"]
else:
    expect.set_options(timeout=30_000)
    if CHROMIUM is None:
        collect_ignore_glob = ["test_*.py"]


def pytest_report_header() -> str:
    return "" if CHROMIUM else "browser tests: left out, no Chromium found (install it, or name it in CHROMIUM)"


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict) -> dict:
    args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    args += ["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]
    return {**browser_type_launch_args, "executable_path": CHROMIUM, "args": args}


@dataclass
class App:
    """A served app: may be killed and started again on the same data."""

    script: str
    log: Path
    env: dict[str, str] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.port = self.port or free_port()
        command = [sys.executable, "-m", "streamlit", "run", self.script, "--server.headless=true", f"--server.port={self.port}"]
        with self.log.open("a", encoding="utf-8") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **self.env}, stdout=log, stderr=log)
        self._wait()

    def kill(self) -> None:
        """No chance to tidy up: what is not on the disk is lost."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(30)
            self.process = None

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                urlopen(f"{self.url}/_stcore/health", timeout=1).close()
            except (URLError, OSError):
                time.sleep(0.1)
            else:
                return
        pytest.fail(f"the app did not start: {self.log.read_text(encoding='utf-8')[-2000:]}")


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., App]]:
    """`serve("app.py", NAME="value")` starts a script with these environment variables and ends it after the test."""
    with _serving(tmp_path) as start:
        yield start


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., App]]:
    """Like `serve`, but one app for all tests that ask for the same: they must leave it as they found it."""
    with _serving(tmp_path_factory.mktemp("shared")) as start:
        yield cache(start)


@contextmanager
def _serving(folder: Path) -> Iterator[Callable[..., App]]:
    apps: list[App] = []

    def start(script: str, **env: str) -> App:
        app = App(script, folder / f"server-{len(apps)}.log", env)
        apps.append(app)
        app.start()
        return app

    try:
        yield start
    finally:
        for app in apps:
            app.kill()


@pytest.fixture
def pictures() -> Iterator[tuple[str, dict[str, bytes]]]:
    """A web server on loopback, and the pictures it serves by path; fill in the dictionary."""
    files: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = files.get(self.path)
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(body or b"")))
            self.send_header("Content-Type", "image/png")
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_port}", files
        server.shutdown()
        thread.join(5)


class Watch:
    """What a page did behind the visitor's back: errors on its console, requests to elsewhere, scripts that ran."""

    def __init__(self, page: "Page") -> None:
        self.problems: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.problems.append(f"script error: {error}"))
        page.on("request", self._request)
        page.on("dialog", lambda dialog: (self.problems.append(f"dialog: {dialog.message}"), dialog.dismiss()))

    def _console(self, message: "ConsoleMessage") -> None:
        url = message.location.get("url", "")
        # A picture that was replaced before the browser came to ask for it is gone on the server. Whether the pictures that are shown
        # arrived is what `wait_for_pictures` looks at.
        replaced = ("404" in message.text and "/media/" in url) or re.match(
            r"Client Error: Image source error - \S+/media/", message.text
        )
        if message.type == "error" and not replaced and not _PROBE.search(url):
            self.problems.append(f"console: {message.text} ({url})")

    def _request(self, request: "Request") -> None:
        if not request.url.startswith(("http://127.0.0.1:", "data:", "blob:")):
            self.problems.append(f"request: {request.url}")


@pytest.fixture
def watched(browser: "Browser", serve: object) -> Iterator["Page"]:
    """A page whose test fails when anything happened behind the visitor's back."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    watch = Watch(page)
    yield page
    context.close()
    assert not watch.problems


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
