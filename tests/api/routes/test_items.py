"""Items, batches, spelling, pictures, jobs and failures."""

import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
import requests
from PIL import Image
from starlette.testclient import TestClient

from api.app import create_api
from api.errors import Json
from api.settings import ApiOptions
from crossmodal.items import NewItem
from engine.live import LiveApp
from engine.query import SearchAnswer, ValidQuery
from tests.api.conftest import BASE, SHELF, THINGS, Served
from tests.app_parts import csv_source, make_live_app, png, things
from tests.tiny import shared_model
from tests.waiting import wait_until

_SEEDS = count(5_000)


@pytest.fixture
def fresh() -> bytes:
    """A picture that is not in the collection."""
    return png("green", "disc", next(_SEEDS))


def added(client: TestClient, picture: bytes, **words: str) -> dict[str, object]:
    response = client.post("/api/items", files={"image": ("mug.png", picture)}, data=words)
    assert response.status_code == 201, response.text
    return response.json()["item"]


def without_sources(item: dict[str, object]) -> dict[str, object]:
    """An item as it appears in lists."""
    return {name: value for name, value in item.items() if name != "sources"}


def test_pages_hold_every_item_once(client: TestClient, live_app: LiveApp) -> None:
    seen, cursor = [], "0"
    while cursor is not None:
        page = client.get("/api/items", params={"limit": 7, "cursor": cursor}).json()
        seen += [item["item_id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert len(seen) == len(set(seen)) == live_app.count() >= THINGS


def test_the_last_page_knows_that_it_is_the_last(client: TestClient, live_app: LiveApp) -> None:
    everything = client.get("/api/items", params={"limit": live_app.count()}).json()
    assert (len(everything["items"]), everything["next_cursor"]) == (live_app.count(), None)
    assert client.get("/api/items", params={"limit": live_app.count() - 1}).json()["next_cursor"] is not None


def test_what_is_restored_is_named_as_everywhere(client: TestClient) -> None:
    for name in ("abc", "0", "-1", "1" * 19):
        refused = client.post(f"/api/items/{name}/restore")
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "not_found")
        assert repr(name) in refused.json()["error"]["message"]
    there = client.post("/api/items/000.png/restore").json()
    assert there == client.get("/api/items/000.png").json()


def test_an_added_item_is_found_changed_and_removed(client: TestClient, fresh: bytes) -> None:
    item = added(client, fresh, title="a green disc", attributes='{"colour": "green"}', captions="one caption")
    assert item["source"] == "mug.png"
    assert item["captions"] == ["one caption"]
    found = client.post(
        "/search", files={"image": ("q.png", png("green", "disc", 4_999))}, data={"where": '{"colour": "green"}'}
    ).json()
    assert [result["item"]["item_id"] for result in found["results"]] == [item["item_id"]]
    again = client.post("/upload", files={"image": ("other name.png", fresh)})
    assert (again.status_code, again.json()["created"]) == (200, False)
    changed = client.patch(f"/api/items/{item['item_id']}", json={"title": "leaf", "attributes": {"colour": "leaf"}}).json()
    assert (changed["title"], changed["attributes"]) == ("leaf", {"colour": "leaf"})
    assert client.get(f"/api/items/{item['item_id']}").json() == changed
    assert client.get("/api/items", params={"where": '{"colour": "leaf"}'}).json()["items"] == [without_sources(changed)]
    assert client.get("/api/attributes").json()["attributes"]["colour"] == [{"value": "leaf", "count": 1}]
    assert client.delete(f"/api/items/{item['item_id']}").status_code == 204
    assert client.get(f"/api/items/{item['item_id']}").status_code == 404
    assert client.post(f"/api/items/{item['item_id']}/restore").json() == changed
    client.delete(f"/api/items/{item['item_id']}")


def test_an_address_can_be_added_and_searched_by(client: TestClient) -> None:
    response = client.post("/upload", json={"image_url": "https://shop.example/red-disc.png", "title": "by address"})
    assert response.json()["item"]["source"] == "https://shop.example/red-disc.png"
    assert without_sources(client.get(response.headers["Location"]).json()) == response.json()["item"]
    found = client.post("/search", json={"image_url": "https://shop.example/blue-bar.png", "top_k": 3}).json()
    assert found["num_results"] == 3
    missing = client.post("/search", json={"image_url": "https://shop.example/nothing.png"})
    assert (missing.status_code, missing.json()["error"]["code"]) == (502, "http_status")


def test_of_many_pictures_each_has_its_own_end(client: TestClient, fresh: bytes) -> None:
    files = [("images", ("a.png", fresh)), ("images", ("b.png", b"no picture")), ("images", ("c.png", fresh))]
    answer = client.post("/api/items/batch", files=files).json()
    assert answer["failed"] == 1
    assert {answer["added"], answer["known"]} == {1}
    assert answer["results"][1]["error"]["code"] == "not_an_image"
    urls = [{"image_url": f"https://shop.example/{name}.png"} for name in ("blue-bar", "nothing")]
    answer = client.post("/api/items/batch", json={"items": urls}).json()
    assert [result["error"] is None for result in answer["results"]] == [True, False]


def test_products_with_one_photo_take_one_place(client: TestClient, live_app: LiveApp) -> None:
    first = live_app.item(int(client.get("/api/items/000.png").json()["item_id"]))
    model_id = live_app.generation().model.model_id
    embedding = live_app.store.embeddings.get(first.item_id, model_id)
    twin = NewItem("twin", "another product", live_app.look_at(png("red", "disc", 0)), embedding, source=first.source)
    item_id = str(live_app.store.items.add(twin, model_id=model_id)[0].item_id)
    assert live_app.item(int(item_id)).content_hash == first.content_hash
    for path, question in (
        ("/search", {"query": "red disc", "top_k": 20}),
        ("/search", {"image_id": item_id, "top_k": 20}),
        ("/search", {"image_id": item_id, "query": "red", "top_k": 20}),
    ):
        results = client.post(path, json=question).json()["results"]
        hashes = [live_app.item(int(result["item"]["item_id"])).content_hash for result in results]
        assert len(hashes) == len(set(hashes)) == 20, question
        assert [result["rank"] for result in results] == list(range(1, 21))
        if "image_id" in question:
            assert first.content_hash not in hashes
    client.delete(f"/api/items/{item_id}")


def test_a_lowest_score_and_filters_narrow_every_search(client: TestClient) -> None:
    for path, question in (
        ("/api/search/text", {"query": "red disc"}),
        ("/api/search/image", {"image_id": "1"}),
        ("/search", {"query": "red disc"}),
        ("/search", {"query": "red disc", "image_id": "1", "weight": 0.3}),
    ):
        every = [result["score"] for result in client.post(path, json=question).json()["results"]]
        least = (every[3] + every[4]) / 2
        scores = [result["score"] for result in client.post(path, json=question | {"min_score": least}).json()["results"]]
        assert scores == [score for score in every if score >= least]
        assert 0 < len(scores) < len(every)
        nothing = client.post(path, json=question | {"where": {"catalogue": ["nothing"]}}).json()
        assert nothing["num_results"] == 0, path


def test_many_queries_are_answered_as_each_alone(client: TestClient) -> None:
    queries = ["red disc", "blue bar", "green thing"]
    answers = client.post("/api/search/batch", json={"queries": queries, "top_k": 4}).json()["answers"]
    alone = [client.post("/search", json={"query": query, "top_k": 4}).json() for query in queries]
    ids = [[[result["item"]["item_id"] for result in answer["results"]] for answer in side] for side in (answers, alone)]
    assert ids[0] == ids[1]


def test_a_batch_asks_for_no_more_than_can_be_answered(client: TestClient) -> None:
    refused = client.post("/api/search/batch", json={"queries": ["red"] * 101, "top_k": 100})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "bad_request")
    assert "10,000" in refused.json()["error"]["message"]
    answers = client.post("/api/search/batch", json={"queries": ["red", "blue"] * 50, "top_k": 100}).json()["answers"]
    assert len(answers) == 100
    assert [result["item"]["item_id"] for result in answers[98]["results"]] == [
        result["item"]["item_id"] for result in answers[0]["results"]
    ]
    bad = client.post("/api/search/batch", json={"queries": ["red"] * 20 + [" "], "top_k": 1})
    assert (bad.status_code, bad.json()["error"]["code"]) == (422, "text_empty")


def test_a_single_search_gets_its_turn_in_a_batch(server: str, live_app: LiveApp, monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[int] = []
    begun, go_on = threading.Event(), threading.Event()
    real = live_app.search_many

    def watched(queries: list[ValidQuery]) -> list[SearchAnswer]:
        passes.append(len(queries))
        begun.set()
        go_on.wait(20)
        return real(queries)

    monkeypatch.setattr(live_app, "search_many", watched)
    with ThreadPoolExecutor(2) as pool:
        many = pool.submit(requests.post, f"{server}/api/search/batch", json={"queries": ["red"] * 200, "top_k": 2}, timeout=60)
        assert begun.wait(20)
        one = pool.submit(requests.post, f"{server}/search", json={"query": "blue", "top_k": 3}, timeout=60)
        wait_until(lambda: live_app_waits(server) >= 2)
        go_on.set()
        assert one.result().json()["num_results"] == 3
        assert len(many.result().json()["answers"]) == 200
    assert max(passes) < 64
    assert passes.index(1) < len(passes) - 1, "the single search came after all of the batch"


def live_app_waits(server: str) -> float:
    """Concurrent requests besides this one."""
    text = requests.get(f"{server}/metrics", timeout=10).text
    return float(next(line for line in text.splitlines() if line.startswith("crossmodal_requests_under_way ")).split()[1]) - 1


def test_more_results_than_the_app_gives_are_refused_alike(live_app: LiveApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_app.engine, "limits", replace(live_app.limits, max_top_k=5))
    with TestClient(create_api(live_app, ApiOptions()), base_url=BASE) as client:
        for path, question in (
            ("/search", {"query": "red"}),
            ("/search", {"image_id": "1"}),
            ("/api/search/batch", {"queries": ["red"]}),
        ):
            refused = client.post(path, json=question | {"top_k": 6})
            assert (refused.status_code, refused.json()["error"]["code"]) == (422, "bad_request"), path
            assert "from 1 to 5" in refused.json()["error"]["message"]


def test_a_query_is_corrected_but_never_replaced(client: TestClient) -> None:
    answer = client.post("/correct-query", json={"query": "Gren disk"}).json()
    assert answer["corrected"] == "green disc"
    assert answer["changed"]
    assert answer["unknown_words"] == ["gren", "disk"]
    assert client.post("/api/search/text", json={"query": "gren disk"}).json()["query"] == "gren disk"
    same = client.post("/correct-query", json={"query": "green disc"}).json()
    assert (same["corrected"], same["changed"]) == ("green disc", False)


def test_a_picture_is_asked_for_only_when_it_changed(client: TestClient) -> None:
    for path in ("/api/image/1", "/api/image/1/thumbnail", "/api/image/1/thumbnail?size=16"):
        first = client.get(path)
        assert first.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert not Image.open(io.BytesIO(first.content)).getexif()
        etag = first.headers["ETag"]
        for sent in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            again = client.get(path, headers={"If-None-Match": sent})
            assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", etag)
        assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
        lines = [("If-None-Match", '"other"'), ("If-None-Match", etag)]
        assert client.get(path, headers=lines).status_code == 304, "a list may come in several lines"


def test_an_import_can_be_watched(client: TestClient, live_app: LiveApp, tmp_path: object) -> None:
    where = csv_source(tmp_path / "more", things(6, "more-{}.png".format, seed=77))
    job = client.post("/api/jobs/import", json={"location": str(where)})
    assert job.status_code == 202
    live_app.jobs.wait(60)
    status = client.get(job.headers["Location"]).json()
    assert (status["state"], status["name"], status["error"]) == ("done", "index", None)
    assert client.get("/api/jobs").json()["jobs"][0] == status
    assert client.post(job.headers["Location"] + "/cancel").json() == status
    assert client.get("/api/jobs/nothing").status_code == 404
    missing = client.post("/api/jobs/import", json={"location": "/nothing/there"})
    assert missing.json()["error"]["code"] == "file_missing"


def test_jobs_are_read_in_a_thread(client: TestClient, live_app: LiveApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the event loop, a slow disk would delay every response."""
    asked: list[str] = []
    real = live_app.jobs.history

    def watched() -> object:
        asked.append(threading.current_thread().name)
        return real()

    monkeypatch.setattr(live_app.jobs, "history", watched)
    client.get("/api/jobs")
    client.get("/api/jobs/nothing")
    client.post("/api/jobs/nothing/cancel")
    assert len(asked) == 3
    assert all(name.startswith("api-store") for name in asked)


def test_a_long_page_is_written_in_a_thread(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Serializing 500 items on the event loop would delay every other response."""
    written: list[str] = []
    real = Json.bytes_of

    def watched(content: object) -> bytes:
        written.append(threading.current_thread().name)
        return real(content)

    monkeypatch.setattr("api.deps._FEW", 5)
    monkeypatch.setattr(Json, "bytes_of", staticmethod(watched))
    for path in ("/api/items?limit=6", "/api/items?limit=5"):
        assert client.get(path).status_code == 200
    assert [name.startswith("api-store") for name in written] == [True, False]


def test_captions_of_an_address_are_made_where_pictures_are(
    client: TestClient, live_app: LiveApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight threads wait for the network; encoding in all of them would take every core."""
    encoded: list[str] = []
    real = live_app.encoding.picture

    def watched(*args: object) -> object:
        encoded.append(threading.current_thread().name)
        return real(*args)

    monkeypatch.setattr(live_app.encoding, "picture", watched)
    asked = {"image_url": "https://shop.example/red-disc.png"}
    assert client.post("/api/search/image-to-text", json=asked).status_code == 200
    assert [name.rpartition("_")[0] for name in encoded] == ["api-pictures"]


def test_another_rendition_is_another_picture(client: TestClient, live_app: LiveApp, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = ("/api/image/2", "/api/image/2/thumbnail", "/api/image/2/thumbnail?size=16")
    before = {path: client.get(path).headers["ETag"] for path in paths}
    other = live_app.rendition(3)  # as after indexing again with another size
    monkeypatch.setattr(live_app, "rendition", lambda item_id: other)
    monkeypatch.setattr(live_app, "thumbnail", lambda item_id: other)
    for path, etag in before.items():
        again = client.get(path, headers={"If-None-Match": etag})
        assert (again.status_code, again.headers["ETag"] != etag) == (200, True), path


def test_figures_for_prometheus(client: TestClient) -> None:
    client.get("/api/items")
    client.get("/api/image/../../etc/passwd")
    text = client.get("/metrics").text
    assert 'crossmodal_requests_total{method="GET",route="/api/items",status="200"}' in text
    assert "crossmodal_text_batch_size_count" in text
    assert "passwd" not in text


def test_documents_are_whole(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation.get("description"), (method, path)
            assert operation.get("tags"), (method, path)
    assert json.dumps(document).count("HTTPValidationError") == 0


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
    folder = bad_app.store.path.parent.parent
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
        bad_app.tasks.index(str(folder / "things.csv"), lambda _: None, threading.Event())
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
    folder: Path = bad_app.store.path.parent.parent
    with TestClient(create_api(bad_app, ApiOptions(allow_paths=False)), base_url=BASE) as client:
        answer = client.get("/api/failures")
    assert "secret" not in answer.text
    assert str(folder) not in answer.text
    rows = {row["title"]: row for row in answer.json()["failures"]}
    assert rows["one from elsewhere"]["location"] == "a.png"
    assert rows["one from an address"]["location"] == "https://shop.example/gone.png"
    assert {row["catalogue"] for row in rows.values()} == {"things.csv"}


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
    with TestClient(create_api(live_app, ApiOptions(request_timeout_s=2)), base_url=BASE) as client:
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
        assert 1 <= len(looked) <= 4
        looked.clear()
        for _ in range(10):  # what was left of the batch would get its turns between these
            client.post("/search", files={"image": ("q.png", b"other")})
        assert looked == [b"other"] * 10


def test_a_known_picture_joins_its_item_and_its_sources_are_shown(client: TestClient, live_app: LiveApp) -> None:
    known = client.get("/api/items/001.png").json()
    [row] = known["sources"]
    assert (row["title"], row["source"]) == (known["title"], known["source"])
    picture = {"image": ("mine.png", things(2)["001.png"][1])}
    answer = client.post("/api/items", files=picture, data={"title": "my own", "attributes": '{"shelf": "7"}'})
    assert (answer.status_code, answer.json()["created"], answer.json()["item"]["item_id"]) == (200, False, known["item_id"])
    item = client.get("/api/items/001.png").json()
    assert (item["title"], item["captions"]) == (known["title"], [known["title"], "my own"])
    assert item["attributes"] == {**known["attributes"], "shelf": "7"}
    assert [each["catalogue"] for each in item["sources"]] == [known["catalogue"], "added"]
    assert item["sources"][1] == {
        "catalogue": "added",
        "source": "mine.png",
        "title": "my own",
        "captions": [],
        "attributes": {"shelf": "7"},
    }
    live_app.store.sources.remove("added")
    assert client.get("/api/items/001.png").json() == known
