"""Exported files: downloaded whole or in parts, deleted, limited in number, and without server paths where those are hidden."""

import csv
import io
import threading
from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from api.app import create_api
from api.exports import export_files, start_export
from api.settings import ApiOptions
from engine.live import LiveApp
from tests.api.conftest import BASE, SHELF
from tests.app_parts import csv_source, make_live_app, png, things
from tests.tiny import shared_model

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


def test_a_clock_set_back_makes_no_export_the_oldest(live_app: LiveApp, folder: Path) -> None:
    made = []
    for year in (2030, 2020, 2010):
        start_export(live_app, folder, "csv", None, shown=lambda item: item, now=lambda: datetime(year, 5, 4, 3, 2, 1))  # noqa: B023
        live_app.jobs.wait(60)
        made.append(export_files(folder)[0].name)
    assert made == ["items-20300504-030201-000.csv", "items-20300504-030201-001.csv", "items-20300504-030201-002.csv"]
    assert [path.name for path in export_files(folder)][:3] == made[::-1]
    assert live_app.jobs.history()[0].message == f"Exported as {made[-1]}"


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("bytes=2-4", 206),
        ("bytes=0-1,4-5", 206),
        ("bytes=10-", 416),
        ("bytes=4-2", 400),
        ("bytes", 400),
        ("lines=1-2", 200),
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
            assert answer.content == (b"0123456789" if status == 200 else b"234")
        assert answer.headers.get("Content-Range") == {206: answer.headers.get("Content-Range"), 416: "bytes */10"}.get(status)


def test_parts_of_another_file_are_not_mixed(live_app: LiveApp, folder: Path) -> None:
    """`If-Range` returns the whole file if it has changed."""
    with TestClient(create_api(live_app, ApiOptions(export_dir=folder)), base_url=BASE) as client:
        path = f"/api/exports/{NAME.format(1, '.npy')}"
        etag = client.get(path).headers["ETag"]
        for unless, wanted, status in (
            (etag, "bytes=2-4", 206),
            ('"old"', "bytes=2-4", 200),
            ('"old"', "bytes=10-", 200),
            (etag, "bytes=10-", 416),
        ):
            answer = client.get(path, headers={"Range": wanted, "If-Range": unless})
            assert answer.status_code == status, (unless, wanted)


def exported(client: TestClient, app: LiveApp, kind: str) -> dict[str, object]:
    """Name → response of each file of a new export."""
    assert client.post("/api/jobs/export", json={"kind": kind}).status_code == 202
    app.jobs.wait(60)
    names = [name for name in client.get("/api/exports").json()["exports"] if kind in name or kind == "npy"]
    return {name: client.get(f"/api/exports/{name}") for name in names}


def test_exports_say_what_they_are(live_app: LiveApp, tmp_path: Path) -> None:
    item = live_app.add_new_item(png("red", "disc", 8_800), "Größe 가").item
    with TestClient(create_api(live_app, ApiOptions(export_dir=tmp_path)), base_url=BASE) as client:
        for kind, types in {
            "csv": {"text/csv; charset=utf-8"},
            "parquet": {"application/vnd.apache.parquet"},
            "npy": {"application/octet-stream", "application/json", "text/csv; charset=utf-8", "application/vnd.apache.parquet"},
        }.items():
            answers = exported(client, live_app, kind)
            assert {answer.headers["Content-Type"] for answer in answers.values()} == types
            for name, answer in answers.items():
                assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
                assert "sandbox" in answer.headers["Content-Security-Policy"]
        [text] = [answer.text for name, answer in answers.items() if name.endswith(".csv")]
        assert "Größe 가" in text
    live_app.remove_item(item.item_id)


def test_where_others_come_an_export_names_no_path(tmp_path: Path) -> None:
    app = make_live_app(tmp_path / "data", shared_model(), SHELF)
    app.tasks.index(str(csv_source(tmp_path / "things", things(3))), lambda _: None, threading.Event())
    app.add_new_item(png("red", "bar", 9_000), origin="https://shop.example/a.png?token=secret#part")
    app.add_new_item(png("red", "bar", 9_001), origin="/srv/secret/b.png")
    for allowed in (False, True):
        options = ApiOptions(allow_paths=allowed, export_dir=tmp_path / f"out-{allowed}")
        with TestClient(create_api(app, options), base_url=BASE) as client:
            [table] = exported(client, app, "csv").values()
            [columns] = exported(client, app, "parquet").values()
            listed = client.get("/api/items").json()["items"]
        rows = list(csv.DictReader(io.StringIO(table.content.decode("utf-8-sig"))))
        same = pq.read_table(io.BytesIO(columns.content)).to_pylist()
        for found in (rows, same, listed):
            sources = {row["source"] for row in found} - {row["source"] for row in found if row["catalogue"] != "added"}
            assert len(found) == 5
            if allowed:
                assert sources == {"https://shop.example/a.png?token=secret#part", "/srv/secret/b.png"}
            else:
                assert sources == {"https://shop.example/a.png", "b.png"}
                assert {row["catalogue"] for row in found} == {"things.csv", "added"}
    app.close()
