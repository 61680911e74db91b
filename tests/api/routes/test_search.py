"""Search by query parameters, pages of results, equal pictures, and the redirect to the documentation."""

import json
import threading
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from api.app import create_api
from api.settings import ApiOptions
from engine.live import LiveApp
from tests.api.conftest import BASE
from tests.app_parts import csv_source, png


@pytest.mark.parametrize(
    "question",
    [
        {"query": "red disc"},
        {"query": "red disc", "top_k": 3, "offset": 4},
        {"query": "blue", "image_id": "2", "weight": 0.3, "min_score": 0.1},
        {"query": "bar", "image_id": "003.png", "where": {"catalogue": ["things", "added"]}},
        {"query": "red", "collapse_duplicates": False, "where": {"colour": "red"}},
    ],
)
def test_the_address_and_the_body_ask_the_same(client: TestClient, question: dict[str, object]) -> None:
    parameters = {"q" if name == "query" else name: value for name, value in question.items()}
    if "where" in parameters:
        parameters["where"] = json.dumps(parameters["where"])
    by_address = client.get("/search", params=parameters)
    assert by_address.status_code == 200
    assert by_address.json() == client.post("/search", json=question).json()


def test_pages_follow_one_another(client: TestClient) -> None:
    whole = client.get("/search", params={"q": "red disc", "top_k": 24}).json()["results"]
    pages = [client.get("/search", params={"q": "red disc", "top_k": 10, "offset": start}).json() for start in (0, 10, 20, 30)]
    assert [result for page in pages for result in page["results"]] == whole
    assert [page["num_results"] for page in pages] == [10, 10, 4, 0]
    assert [result["rank"] for result in whole] == list(range(1, 25))


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({}, "The field q is missing"),
        ({"query": "red"}, "There is no parameter 'query'"),
        ({"q": "red", "offset": 10_001}, "offset"),
        ({"q": "red", "where": "[1]"}, "where"),
        ({"q": " "}, "empty"),
    ],
)
def test_an_address_that_cannot_be_understood(client: TestClient, parameters: dict[str, str], says: str) -> None:
    refused = client.get("/search", params=parameters)
    assert refused.status_code == 422
    assert says in " ".join(refused.json()["error"].values())


def test_equal_pictures_take_one_row(live_app: LiveApp, options: ApiOptions, tmp_path: Path) -> None:
    twins = {name: (f"black bar {name}", png("black", "bar", 4_000)) for name in ("a.png", "b.png", "c.png")}
    live_app.tasks.index(str(csv_source(tmp_path, twins)), lambda _: None, threading.Event())
    with TestClient(create_api(live_app, options), base_url=BASE) as client:
        every = client.post("/search", json={"query": "black bar", "top_k": 50, "collapse_duplicates": False}).json()["results"]
        one = client.post("/search", json={"query": "black bar", "top_k": 50}).json()["results"]
        twin = next(result["item"]["item_id"] for result in every if result["item"]["title"].startswith("black bar a"))
        assert sum(".png" in result["item"]["title"] for result in every) == 3
        assert len(one) == len(every) - 2
        alike = client.post("/search", json={"image_id": twin, "top_k": 50}).json()["results"]
        assert not any(".png" in result["item"]["title"] for result in alike)
    live_app.remove_source(next(entry.name for entry in live_app.store.sources.all() if entry.location.startswith(str(tmp_path))))


def test_a_filter_that_lets_nothing_through_is_explained(client: TestClient) -> None:
    for where, note in (
        ({"colr": "red"}, 'No item has an attribute "colr".'),
        ({"catalogue": "nothing"}, 'There is no catalogue "nothing".'),
        ({}, None),
    ):
        found = client.post("/search", json={"query": "red", "where": where}).json()
        assert found["note"] == note
        assert bool(found["num_results"]) is (note is None)


def test_the_root_leads_to_the_documentation(client: TestClient, live_app: LiveApp) -> None:
    answer = client.get("/", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "docs")
    assert client.get("/").url.path == "/docs"
    for options, status in ((ApiOptions(keys=("k" * 24,)), 200), (ApiOptions(docs=False), 404)):
        with TestClient(create_api(live_app, options), base_url=BASE) as other:
            assert other.get("/").status_code == status
