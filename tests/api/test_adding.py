"""Batches of additions beside other work: few at once, an end in time, and no work after an answer."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from starlette.testclient import TestClient

from api import ApiOptions, create_api
from tests.api.conftest import BASE, Served
from tests.app_parts import png
from upkeep.live_app import LiveApp


def test_addresses_that_hang_each_end_in_time(live_app: LiveApp, monkeypatch: pytest.MonkeyPatch) -> None:
    release, real, most = threading.Event(), live_app.look_at, [0, 0]

    def hanging(image: object) -> object:
        if image == "https://shop.example/blue-bar.png":
            return real(image)
        most[0] += 1
        most[1] = max(most)
        release.wait(20)
        most[0] -= 1
        return real(image)

    monkeypatch.setattr(live_app, "look_at", hanging)
    with TestClient(create_api(live_app, ApiOptions(request_timeout_s=8)), base_url=BASE) as client:
        items = [{"image_url": f"https://shop.example/{name}.png"} for name in ("blue-bar", *(str(n) for n in range(40)))]
        before = live_app.count()
        response = client.post("/api/items/batch", json={"items": items})
        release.set()
        assert response.status_code == 200
        answer = response.json()
        assert (answer["added"] + answer["known"], answer["failed"]) == (1, 40)
        assert {result["error"]["code"] for result in answer["results"][1:]} == {"timeout"}
        assert live_app.count() == before + answer["added"]
    assert most[1] <= 4


def test_a_picture_search_does_not_wait_behind_a_batch(live_app: LiveApp, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, release, real = threading.Event(), threading.Event(), live_app.look_at
    asked_with = png("blue", "disc", 8_300)

    def slow(image: object) -> object:
        if image != asked_with:
            begun.set()
            release.wait(20)
        return real(image)

    monkeypatch.setattr(live_app, "look_at", slow)
    with Served(live_app, ApiOptions()) as address, ThreadPoolExecutor(1) as pool:
        files = [("images", (f"{n}.png", b"no picture %d" % n)) for n in range(50)]
        batch = pool.submit(requests.post, f"{address}/api/items/batch", files=files, timeout=60)
        assert begun.wait(20)
        found = requests.post(f"{address}/search", files={"image": ("q.png", asked_with)}, timeout=15)
        assert found.status_code == 200
        assert not batch.done()
        release.set()
        assert batch.result().json()["failed"] == 50


def test_after_a_fault_of_ours_nothing_more_is_added(live_app: LiveApp, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []

    def broken(image: bytes) -> object:
        looked.append(image)
        raise RuntimeError("a mistake")

    monkeypatch.setattr(live_app, "look_at", broken)
    with TestClient(create_api(live_app, ApiOptions()), base_url=BASE, raise_server_exceptions=False) as client:
        response = client.post("/api/items/batch", files=[("images", (f"{n}.png", b"%d" % n)) for n in range(40)])
        assert (response.status_code, response.json()["error"]["code"]) == (500, "internal")
        at_the_answer = len(looked)
        time.sleep(0.2)
        assert len(looked) == at_the_answer <= 4
