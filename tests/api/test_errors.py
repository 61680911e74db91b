"""Errors that name files on the server: what the client gets, and what the log gets."""

import logging
import shutil
import threading
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from api.app import create_api
from api.settings import ApiOptions
from crossmodal.errors import BusyError, CrossmodalError, StoreError
from crossmodal.items import Item
from crossmodal.store import database as errors
from engine.live import LiveApp
from tests.api.conftest import BASE, SHELF
from tests.app_parts import csv_source, make_live_app, png, things
from tests.tiny import shared_model

SECRET = Path("/srv/secret/catalog.sqlite3")
FROM_BELOW = [
    errors.damaged(SECRET, "a page is torn"),
    errors.disk_full(SECRET, "no space"),
    errors.read_only(SECRET, "permission denied"),
    errors.gone(SECRET),
    BusyError("busy", f"The collection {SECRET} is being written by another process.", remedy="Try again in a moment."),
    StoreError("store_too_new", f"{SECRET} is too new."),
]


@pytest.mark.parametrize("error", FROM_BELOW, ids=lambda error: error.code)
def test_a_path_is_for_the_log(
    client: TestClient, live_app: LiveApp, error: CrossmodalError, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(live_app, "attribute_values", broken)
    monkeypatch.setattr(live_app, "add_picture", broken)
    picture = png("red", "disc", 8_000)
    single = client.get("/api/attributes")
    many = client.post("/api/items/batch", files=[("images", ("a.png", picture))])
    flat = client.post("/api/items", files={"image": ("a.png", picture)})
    assert single.status_code == error.http_status
    assert many.json()["failed"] == 1
    for response, said in (
        (single, single.json()["error"]),
        (many, many.json()["results"][0]["error"]),
        (flat, flat.json()["error"]),
    ):
        assert said["code"] == error.code
        assert "secret" not in response.text
        reference = response.headers["X-Request-ID"]
        [record] = [record for record in caplog.records if reference in record.getMessage()]
        assert record.levelno == logging.ERROR
        assert str(SECRET) in record.getMessage()
        assert reference in said["remedy"]


def test_a_jobs_failure_names_no_path(client: TestClient, live_app: LiveApp) -> None:
    def full(*_: object) -> str:
        raise errors.disk_full(SECRET, "no space")

    def broken(*_: object) -> str:
        raise RuntimeError(str(SECRET))

    for work, code in ((full, "disk_full"), (broken, None)):
        job_id = live_app.jobs.start("export", "Exporting", work).job_id
        live_app.jobs.wait(20)
        answer = client.get(f"/api/jobs/{job_id}")
        assert answer.json()["state"] == "failed"
        assert "secret" not in answer.text + client.get("/api/jobs").text
        assert "RuntimeError" not in answer.text
        assert (answer.json()["error"] or {"code": None})["code"] == code


def test_where_others_come_the_owners_jobs_name_no_path(tmp_path: Path) -> None:
    """Every client sees jobs started in the page, whose messages name folders."""
    app = make_live_app(tmp_path, shared_model(), SHELF)
    folder = tmp_path / "holiday"
    folder.mkdir()
    (folder / "good.png").write_bytes(png("red", "disc", 1))
    (folder / "broken.png").write_bytes(b"no picture")
    app.tasks.index(str(folder), lambda _: None, threading.Event())
    shutil.rmtree(folder)
    app.start_retry()
    app.jobs.wait(20)
    app.jobs.start("index", "Indexing your catalogue", lambda note, stop: app.tasks.index(str(folder), note, stop))
    app.jobs.wait(20)
    with TestClient(create_api(app, ApiOptions(allow_paths=False)), base_url=BASE) as client:
        jobs = client.get("/api/jobs")
        assert [job["state"] for job in jobs.json()["jobs"]] == ["failed", "done"]
        assert jobs.json()["jobs"][0]["error"]["code"] == "file_missing"
        assert all(job["message"] for job in jobs.json()["jobs"])
        for job in jobs.json()["jobs"]:
            assert client.get(f"/api/jobs/{job['job_id']}").json() == job
            assert client.post(f"/api/jobs/{job['job_id']}/cancel").json() == job
        assert "holiday" not in jobs.text
    with TestClient(create_api(app, ApiOptions()), base_url=BASE) as client:
        assert client.get("/api/jobs").text.count("holiday") > 1
    app.close()


def test_a_crowd_and_a_far_side_are_no_errors_of_ours(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    client.post("/search", json={"image_url": "https://shop.example/nothing.png"})
    assert not [record for record in caplog.records if record.name == "api.errors"]


def test_where_others_come_paths_of_the_server_are_not_shown(tmp_path: Path) -> None:
    app = make_live_app(tmp_path, shared_model(), SHELF)
    for folder in ("one", "two"):
        seed = {"one": 1, "two": 2}[folder]
        app.tasks.index(str(csv_source(tmp_path / folder, things(3, seed=seed))), lambda _: None, threading.Event())
    by_hand = app.add_new_item(png("red", "bar", 9_000), origin=str(tmp_path / "mug.png")).item
    with TestClient(create_api(app, ApiOptions(allow_paths=False, export_dir=tmp_path / "out")), base_url=BASE) as client:
        everything = client.get("/api/items")
        assert str(tmp_path) not in everything.text
        shown = {item["catalogue"] for item in everything.json()["items"]}
        assert shown == {"things.csv", "added"}
        assert client.get(f"/api/items/{by_hand.item_id}").json()["source"] == "mug.png"
        for asked in ("things.csv", str(tmp_path / "one" / "things.csv")):
            narrowed = {"query": "red", "where": {"catalogue": asked}, "top_k": 50}
            found = client.post("/search", json=narrowed).json()["results"]
            assert {result["item"]["catalogue"] for result in found} == {"things.csv"}
            assert len(found) == 6
            listed = client.get("/api/items", params={"where": f'{{"catalogue": ["{asked}"]}}'}).json()["items"]
            assert len(listed) == 6
        assert client.post("/search", json={"query": "red", "where": {"catalogue": "nothing"}}).json()["num_results"] == 0
        assert client.get("/api/items", params={"where": '{"catalogue": [1]}'}).status_code == 422
    with TestClient(create_api(app, ApiOptions()), base_url=BASE) as client:
        items = client.get("/api/items").json()["items"]
        assert {item["catalogue"] for item in items} == {item.source for item in stored(app)}
    app.close()


def stored(app: LiveApp) -> list[Item]:
    return app.items_page(50)


def test_a_query_that_is_too_long_is_a_fault_of_the_question(client: TestClient) -> None:
    question = {"query": "x" * 2_001}
    flat = client.post("/api/search/text", json=question)
    assert (flat.status_code, flat.json()["details"]["code"]) == (400, "text_too_long")
    assert client.post("/search", json=question).status_code == 413
