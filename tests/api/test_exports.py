"""Files that exports leave: fetched whole or in parts, deleted, and only so many kept."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from api import ApiOptions, create_api
from api.exports import export_files
from tests.api.conftest import BASE
from upkeep.live_app import LiveApp

NAME = "items-20260101-000000-{:03}{}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(25):
        (tmp_path / NAME.format(number, ".npy")).write_bytes(b"0123456789")
        (tmp_path / NAME.format(number, ".ids.json")).write_bytes(b"[]")
    (tmp_path / "notes.txt").write_text("of somebody else")
    return tmp_path


def test_an_export_is_deleted_once(live_app: LiveApp, folder: Path) -> None:
    name = NAME.format(3, ".npy")
    with TestClient(create_api(live_app, ApiOptions(export_dir=folder)), base_url=BASE) as client:
        assert client.delete(f"/api/exports/{name}").status_code == 204
        assert not (folder / name).exists()
        for gone in (name, "notes.txt", "..%2Fcatalog.sqlite3", "."):
            assert client.delete(f"/api/exports/{gone}").status_code in (404, 405), gone
        assert client.delete(f"/api/exports/{name}").json()["error"]["code"] == "not_found"
        assert (folder / "notes.txt").exists()
        assert name not in client.get("/api/exports").json()["exports"]


def test_the_newest_twenty_are_kept(live_app: LiveApp, folder: Path) -> None:
    with TestClient(create_api(live_app, ApiOptions(export_dir=folder)), base_url=BASE) as client:
        assert client.post("/api/jobs/export", json={"kind": "npy"}).status_code == 202
        live_app.jobs.wait(60)
        names = client.get("/api/exports").json()["exports"]
    kept = {name.partition(".")[0] for name in names}
    assert len(kept) == 20
    assert len(names) == 40
    assert {NAME.format(number, "") for number in range(6, 25)} < kept
    assert (folder / "notes.txt").exists()
    assert len(export_files(folder)) == 40


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("bytes=2-4", 206),
        ("bytes=0-1,4-5", 206),
        ("bytes=10-", 416),
        ("bytes=4-2", 400),
        ("bytes", 400),
        ("lines=1-2", 400),
        ("", 400),
    ],
)
def test_parts_of_an_export(live_app: LiveApp, folder: Path, asked: str, status: int) -> None:
    with TestClient(create_api(live_app, ApiOptions(export_dir=folder)), base_url=BASE) as client:
        answer = client.get(f"/api/exports/{NAME.format(1, '.npy')}", headers={"Range": asked})
        assert answer.status_code == status
        if status >= 400:
            assert answer.json()["error"]["code"] == "bad_request"
        elif "," not in asked:
            assert answer.content == b"234"
        assert answer.headers.get("Content-Range") == {206: answer.headers.get("Content-Range"), 416: "bytes */10"}.get(status)
