"""What an import could not bring in, listed for whoever asked for it."""

import threading
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from api import ApiOptions, create_api
from tests.api.conftest import BASE, SHELF
from tests.app_parts import make_live_app, png
from tests.tiny import shared_model
from upkeep.live_app import LiveApp

ROWS = """image,title
good.png,a good one
missing.png,a missing one
broken.png,a broken one
/srv/secret/a.png,one from elsewhere
https://shop.example/gone.png?token=secret,one from an address
"""


@pytest.fixture(scope="module")
def bad_app(tmp_path_factory: pytest.TempPathFactory) -> LiveApp:
    folder = tmp_path_factory.mktemp("bad")
    (folder / "good.png").write_bytes(png("red", "disc", 1))
    (folder / "broken.png").write_bytes(b"no picture")
    (folder / "things.csv").write_text(ROWS)
    app = make_live_app(folder / "data", shared_model(), SHELF)
    yield app
    app.close()


def test_an_imports_failures_are_listed_with_their_reasons(bad_app: LiveApp) -> None:
    folder = bad_app.catalog.path.parent.parent
    with TestClient(create_api(bad_app, ApiOptions()), base_url=BASE) as client:
        job = client.post("/api/jobs/import", json={"location": str(folder / "things.csv")}).json()
        bad_app.jobs.wait(60)
        assert client.get(f"/api/jobs/{job['job_id']}").json()["failed"] == 4
        answer = client.get("/api/failures").json()
        assert (answer["num_failures"], answer["next_cursor"]) == (4, None)
        by_title = {row["title"]: row for row in answer["failures"]}
        assert by_title["a missing one"]["code"] == "file_missing"
        assert by_title["a missing one"]["location"] == "missing.png"
        assert by_title["a broken one"]["code"] == "not_an_image"
        assert all(row["reason"] and row["remedy"] and row["attempts"] == 1 for row in answer["failures"])
        (folder / "broken.png").write_bytes(png("blue", "disc", 2))
        bad_app.upkeep.index(str(folder / "things.csv"), lambda _: None, threading.Event())
        answer = client.get("/api/failures").json()
        assert {row["title"] for row in answer["failures"]} == set(by_title) - {"a broken one"}
        assert {row["attempts"] for row in answer["failures"]} == {2}


def test_failures_come_page_by_page(bad_app: LiveApp) -> None:
    with TestClient(create_api(bad_app, ApiOptions()), base_url=BASE) as client:
        every = client.get("/api/failures").json()["failures"]
        seen, cursor = [], "0"
        while cursor is not None:
            page = client.get("/api/failures", params={"limit": 1, "cursor": cursor}).json()
            seen += page["failures"]
            cursor = page["next_cursor"]
        assert seen == every
        assert client.get("/api/failures?limit=0").status_code == 422
        assert client.get("/api/failures?page=1").status_code == 422


def test_where_others_come_failures_name_no_path(bad_app: LiveApp) -> None:
    folder: Path = bad_app.catalog.path.parent.parent
    with TestClient(create_api(bad_app, ApiOptions(allow_paths=False)), base_url=BASE) as client:
        answer = client.get("/api/failures")
    assert "secret" not in answer.text
    assert str(folder) not in answer.text
    rows = {row["title"]: row for row in answer.json()["failures"]}
    assert rows["one from elsewhere"]["location"] == "a.png"
    assert rows["one from an address"]["location"] == "https://shop.example/gone.png"
    assert {row["catalogue"] for row in rows.values()} == {"things.csv"}
