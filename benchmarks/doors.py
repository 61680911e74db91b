"""Time until an item added through the page, the API or the CLI is found through the other two, on one collection.

    python -m benchmarks.doors

Needs Chromium and Playwright (`make test` installs them). Each line is the time from the acknowledgement of an addition until the other
front end returns the item as the first result for its own picture or title. Bar: 2 s each, without a restart.
"""

import argparse
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.api_client import Client
from benchmarks.api_collection import Server, free_port, made, settings_of

BAR_S = 2.0
_PROJECT = Path(__file__).resolve().parents[1]
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-dev-shm-usage"]


class Doors:
    """The three front ends of one collection, each with a method to add and one to find."""

    def __init__(self, folder: Path, api: Server, page: Any) -> None:
        self._folder = folder
        self._environment = {**os.environ, **settings_of(folder, api.port)}
        self._client = Client(api.address)
        self._page = page

    def add_by_api(self, picture: Path, title: str) -> None:
        """Add a picture; acknowledged when this returns."""
        status, answer = self._client.add(picture.read_bytes(), title)
        assert status == 201, answer

    def add_by_shell(self, picture: Path, title: str) -> None:
        """Add a picture; acknowledged when this returns."""
        self._shell("add", str(picture), "--title", title)

    def add_by_page(self, picture: Path, title: str) -> None:
        """Add a picture; acknowledged when the page shows it."""
        side = self._page.get_by_test_id("stSidebar")
        side.locator("input[type=file]").set_input_files(picture)
        side.get_by_label("Title (optional)").fill(title)
        side.get_by_label("Title (optional)").press("Enter")
        side.get_by_role("button", name="Add", exact=True).click()
        side.get_by_role("button", name="Find it").wait_for()

    def find_by_api(self, picture: Path, title: str) -> None:
        """Find by text, because the API excludes the query picture from the results; looks for the title among all items."""
        del picture
        _, answer = self._client.timed("POST", "/search", json.dumps({"query": title, "top_k": 1_000}).encode())
        assert title in [result["item"]["title"] for result in json.loads(answer)["results"]]

    def find_by_shell(self, picture: Path, title: str) -> None:
        """Find by picture; includes the start of the command."""
        assert json.loads(self._shell("search", str(picture), "-k", "1", "--json"))["results"][0]["title"] == title

    def find_by_page(self, picture: Path, title: str) -> None:
        """Find by picture in the open page, until the first tile shows the title."""
        self._page.get_by_test_id("stMain").locator("input[type=file]").set_input_files(picture)
        self._page.locator("[class*='st-key-face-found-']").first.get_by_text(title, exact=True).wait_for()

    def _shell(self, *words: str) -> str:
        command = [sys.executable, "cli.py", *words]
        done = subprocess.run(command, cwd=_PROJECT, env=self._environment, capture_output=True, text=True, check=True)
        return done.stdout


@contextmanager
def opened_page(folder: Path, port: int) -> Iterator[Any]:
    """The app under Streamlit, and a browser that shows its picture search."""
    from playwright.sync_api import sync_playwright

    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless=true", f"--server.port={port}"]
    environment = {**os.environ, **settings_of(folder, 0)}
    with (
        (folder / "page.log").open("wb") as log,
        subprocess.Popen(command, cwd=_PROJECT, env=environment, stdout=log, stderr=log) as app,
    ):
        try:
            _await(f"http://127.0.0.1:{port}/_stcore/health")
            with sync_playwright() as playwright:
                chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
                browser = playwright.chromium.launch(executable_path=chromium, args=_ARGUMENTS)
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                page.goto(f"http://127.0.0.1:{port}")
                page.get_by_test_id("stMain").get_by_text("Picture", exact=True).click(timeout=120_000)
                page.get_by_test_id("stMain").locator("input[type=file]").wait_for(state="attached")
                yield page
                browser.close()
        finally:
            app.terminate()


def _await(address: str, timeout_s: float = 60.0) -> None:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(address, timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"{address} does not answer")


def drawn(path: Path, number: int) -> Path:
    """A picture file that differs from all others."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(10**6 + number).integers(0, 256, (96, 96, 3), np.uint8)).save(out, "PNG")
    path.write_bytes(out.getvalue())
    return path


def main() -> int:
    """Run the benchmark; exits with 1 if a time exceeds its bar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=900, help="items in the collection at the start")
    parser.add_argument("--times", type=int, default=5, help="additions through each front end")
    options = parser.parse_args()
    took: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made(folder, options.items)
        api = Server(folder)
        api.wait_until_ready()
        with opened_page(folder, free_port()) as page:
            doors = Doors(folder, api, page)
            ways: dict[str, tuple[Callable[[Path, str], None], Callable[[Path, str], None]]] = {
                "API": (doors.add_by_api, doors.find_by_api),
                "page": (doors.add_by_page, doors.find_by_page),
                "shell": (doors.add_by_shell, doors.find_by_shell),
            }
            for number, door in enumerate(list(ways) * options.times):
                title = f"thing number {number}"
                picture = drawn(folder / f"{number}.png", number)
                ways[door][0](picture, title)
                for other in ways:
                    if other != door:
                        began = time.perf_counter()
                        ways[other][1](picture, title)
                        took.setdefault((door, other), []).append(time.perf_counter() - began)
        api.stop()
    print(f"{'added through':<15}{'found through':<15}{'median s':>10}{'slowest s':>11}")
    for (door, other), seconds in took.items():
        print(f"{door:<15}{other:<15}{statistics.median(seconds):>10.2f}{max(seconds):>11.2f}")
    slowest = max(max(seconds) for seconds in took.values())
    print(f"slowest of all: {slowest:.2f} s; the bar is {BAR_S:g} s")
    return 0 if slowest <= BAR_S else 1


if __name__ == "__main__":
    sys.exit(main())
