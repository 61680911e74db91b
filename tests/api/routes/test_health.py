"""`/health` and `/metrics` respond at once, stay current, and start at most one count."""

import logging
import threading

import pytest
from starlette.testclient import TestClient

from api.app import create_api
from api.settings import ApiOptions
from crossmodal.errors import StoreError
from engine.live import LiveApp
from tests.api.conftest import BASE
from tests.app_parts import png


def items_of(metrics: str) -> float:
    return float(next(line for line in metrics.splitlines() if line.startswith("crossmodal_items ")).split()[1])


def test_metrics_count_without_anybody_asking_for_health(live_app: LiveApp) -> None:
    before = live_app.count()
    with TestClient(create_api(live_app, ApiOptions(count_timeout_s=60.0)), base_url=BASE) as client:
        assert items_of(client.get("/metrics").text) == before
        item = live_app.add_new_item(png("red", "disc", 8_200)).item
        assert items_of(client.get("/metrics").text) == before + 1
    live_app.remove_item(item.item_id)


def test_one_count_is_under_way_at_most(live_app: LiveApp, monkeypatch: pytest.MonkeyPatch) -> None:
    known, counted, release = live_app.count(), list[int](), threading.Event()

    def slow() -> int:
        counted.append(1)
        release.wait(20)
        return 7

    with TestClient(create_api(live_app, ApiOptions()), base_url=BASE) as client:
        monkeypatch.setattr(live_app, "count", slow)
        for _ in range(5):
            assert client.get("/health").json()["num_images"] == known
            assert items_of(client.get("/metrics").text) == known
        assert len(counted) == 1
        release.set()
        asked = 1
        while client.get("/health").json()["num_images"] != 7:
            asked += 1
            assert asked < 100, "the count was never told"
        assert len(counted) <= 1 + asked, "counts had piled up"


@pytest.mark.parametrize("error", [StoreError("index_corrupt", "/secret is damaged"), RuntimeError("/secret")])
def test_health_lives_while_nothing_can_be_counted(
    live_app: LiveApp, error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> int:
        raise error

    with TestClient(create_api(live_app, ApiOptions()), base_url=BASE) as client:
        known = live_app.count()
        monkeypatch.setattr(live_app, "count", broken)
        for _ in range(3):
            assert client.get("/health").json() == {"status": "healthy", "model_loaded": True, "num_images": known}
    assert [record.levelno for record in caplog.records if "cannot be counted" in record.getMessage()] == [logging.ERROR]
