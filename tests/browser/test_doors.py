"""Three doors on one collection: what is added through one is found through the other two, without a restart; and so are jobs."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import ROOT, free_port
from tests.browser.test_journey import add, open_app, search_by_file, settings
from tests.ui.fake_app import draw

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]

READY_S = 120


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Callable[[dict[str, str]], str]]:
    """`api(environment)` serves the REST API and answers its address."""
    processes: list[subprocess.Popen] = []

    def serve(env: dict[str, str]) -> str:
        port = free_port()
        command = [sys.executable, "cli.py", "serve", "--port", str(port)]
        with (tmp_path / "api.log").open("w", encoding="utf-8") as log:
            processes.append(subprocess.Popen(command, cwd=ROOT, env={**os.environ, **env}, stdout=log, stderr=log))
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            try:
                requests.get(f"http://127.0.0.1:{port}/health", timeout=1).raise_for_status()
            except requests.RequestException:
                time.sleep(0.2)
            else:
                return f"http://127.0.0.1:{port}"
        pytest.fail(f"the API did not start: {(tmp_path / 'api.log').read_text()[-2000:]}")

    yield serve
    for process in processes:
        process.kill()
        process.wait(30)


def shell(env: dict[str, str], *words: str) -> str:
    said = subprocess.run(
        [sys.executable, "cli.py", *words], cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True, timeout=120
    )
    assert said.returncode == 0, said.stderr
    return said.stdout


def finds_in_page(page: Page, picture: Path, title: str) -> None:
    search_by_file(page, picture)
    expect(page.locator(".st-key-have")).to_contain_text(title)


def finds_by_api(url: str, title: str) -> None:
    """By its words: a picture searched with is left out of its own results."""
    answer = requests.post(f"{url}/api/search/text", json={"query": title, "top_k": 200}, timeout=30)
    assert answer.status_code == 200, answer.text
    ids = [result["image_id"] for result in answer.json()["results"]]
    assert title in [requests.get(f"{url}/api/items/{image_id}", timeout=30).json()["title"] for image_id in ids]


def finds_in_shell(env: dict[str, str], title: str) -> None:
    assert title in [result["title"] for result in json.loads(shell(env, "search", title, "-k", "200", "--json"))["results"]]


def test_all_doors_see_the_same_items(browser: Browser, serve: Callable, api: Callable, tmp_path: Path) -> None:
    env = settings(tmp_path, "")
    pictures = {}
    for name, kind, colour in (("page", "plate", "blue"), ("api", "lamp", "yellow"), ("shell", "hat", "green")):
        pictures[name] = tmp_path / f"{name}.png"
        pictures[name].write_bytes(draw(kind, colour, "checked", size=(200, 220)))
    page, watch = open_app(browser, serve("app.py", **env).url)
    url = api(env)

    page.get_by_test_id("stSidebar").locator("input[type=file]").set_input_files(pictures["page"])
    add(page, "Added in the page")
    finds_by_api(url, "Added in the page")
    finds_in_shell(env, "Added in the page")

    answer = requests.post(
        f"{url}/api/items", files={"image": pictures["api"].read_bytes()}, data={"title": "Added by the API"}, timeout=30
    )
    assert answer.status_code == 201, answer.text
    finds_in_page(page, pictures["api"], "Added by the API")
    finds_in_shell(env, "Added by the API")

    shell(env, "add", str(pictures["shell"]), "--title", "Added in the shell")
    finds_in_page(page, pictures["shell"], "Added in the shell")
    finds_by_api(url, "Added in the shell")

    folder = tmp_path / "mine"
    folder.mkdir()
    for number, kind in enumerate(("mug", "bottle", "box")):
        (folder / f"{kind}.png").write_bytes(draw(kind, "red", "striped", size=(200, 200 + number)))
    answer = requests.post(f"{url}/api/jobs/import", json={"location": str(folder)}, timeout=30)
    assert answer.status_code == 202, answer.text
    expect(page.get_by_text("3 pictures indexed")).to_be_visible()
    assert not watch.problems
    page.context.close()
