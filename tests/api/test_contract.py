"""The compatibility contract over real HTTP, with the calls of existing clients on another port."""

import io

import pytest
import requests
from PIL import Image

from engine.live import LiveApp
from tests.api.conftest import THINGS
from tests.app_parts import png


def test_health(server: str) -> None:
    response = requests.get(f"{server}/health", timeout=10)
    assert response.status_code == 200
    assert response.json() == {"status": "healthy", "model_loaded": True, "num_images": THINGS}


def test_text_search(server: str) -> None:
    response = requests.post(f"{server}/api/search/text", json={"query": "red disc", "top_k": 5}, timeout=10)
    data = response.json()
    assert set(data) == {"query", "num_results", "results"}
    assert (data["query"], data["num_results"]) == ("red disc", 5)
    for rank, result in enumerate(data["results"], start=1):
        assert set(result) == {"rank", "image_id", "image_path", "score"}
        assert result["rank"] == rank
        assert isinstance(result["image_id"], str)
        assert isinstance(result["score"], float)
    scores = [result["score"] for result in data["results"]]
    assert scores == sorted(scores, reverse=True)


def test_image_search(server: str) -> None:
    image_id = requests.post(f"{server}/api/search/text", json={"query": "red disc", "top_k": 1}, timeout=10).json()["results"][0][
        "image_id"
    ]
    response = requests.post(f"{server}/api/search/image", json={"image_id": image_id, "top_k": 5}, timeout=10)
    data = response.json()
    assert data["num_results"] == 5 == len(data["results"])
    assert image_id not in {result["image_id"] for result in data["results"]}


def test_image_search_by_file_name_and_place(server: str, live_app: LiveApp) -> None:
    first = live_app.items_page(1)[0]
    name = first.origin.rpartition("/")[2]
    by_name = requests.post(f"{server}/api/search/image", json={"image_id": name, "top_k": 3}, timeout=10).json()
    by_place = requests.post(f"{server}/api/search/image", json={"image_index": 0, "top_k": 3}, timeout=10).json()
    assert by_name == by_place
    assert by_name["image_id"] == str(first.item_id)


def test_image_search_with_a_file_leaves_the_very_same_picture_out(server: str, live_app: LiveApp) -> None:
    [first] = live_app.store.items.by_file_name("000.png", limit=2)
    files = {"image": ("mug.png", png("red", "disc", 0), "image/png")}
    data = requests.post(f"{server}/api/search/image", files=files, data={"top_k": "4"}, timeout=10).json()
    assert data["num_results"] == 4
    assert str(first.item_id) not in {result["image_id"] for result in data["results"]}


def test_image_to_text(server: str) -> None:
    files = {"image": ("mug.png", png("red", "disc", 7_000), "image/png")}
    data = requests.post(f"{server}/api/search/image-to-text", files=files, timeout=10).json()
    assert data["num_captions"] == 5 == len(data["captions"])
    assert set(data["captions"][0]) == {"rank", "caption", "score", "image_id"}


def test_image_and_thumbnail(server: str, live_app: LiveApp) -> None:
    image_id = live_app.items_page(1)[0].item_id
    whole = requests.get(f"{server}/api/image/{image_id}", timeout=10)
    assert whole.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(whole.content)).size == (32, 32)
    for query, side in (("", 32), ("?size=256", 32), ("?size=16", 16), ("?size=1", 1), ("?size=2048", 32)):
        small = requests.get(f"{server}/api/image/{image_id}/thumbnail{query}", timeout=10)
        assert max(Image.open(io.BytesIO(small.content)).size) == side, query


def test_stats(server: str) -> None:
    data = requests.get(f"{server}/api/stats", timeout=10).json()
    assert data == {
        "num_images": THINGS,
        "num_captions": THINGS,
        "embedding_dim": 32,
        "model_architecture": {"image_input_dim": 32, "text_input_dim": 256, "shared_dim": 32},
    }


@pytest.mark.parametrize("top_k", [0, -1, 1_001, 1.5, "10", None, [1], 10**400])
def test_an_impossible_top_k_is_400(server: str, top_k: object) -> None:
    for path, question in (("text", {"query": "red"}), ("image", {"image_id": "1"})):
        response = requests.post(f"{server}/api/search/{path}", json=question | {"top_k": top_k}, timeout=10)
        assert response.status_code == 400, (path, response.text)
        assert isinstance(response.json()["error"], str)
        assert response.json()["details"]["code"] == "bad_request"


@pytest.mark.parametrize("question", [{}, {"query": ""}, {"query": "  "}, {"query": None}, {"top_k": 3}])
def test_a_missing_query_is_400(server: str, question: object) -> None:
    response = requests.post(f"{server}/api/search/text", json=question, timeout=10)
    assert response.status_code == 400
    assert isinstance(response.json()["error"], str)


def test_an_unknown_picture_is_404(server: str) -> None:
    assert requests.post(f"{server}/api/search/image", json={"image_id": "nothing.jpg", "top_k": 5}, timeout=10).status_code == 404
    for path in ("/api/image/999999", "/api/image/nothing.jpg", "/api/image/999999/thumbnail"):
        response = requests.get(server + path, timeout=10)
        assert response.status_code == 404
        assert isinstance(response.json()["error"], str)


@pytest.mark.parametrize("size", ["0", "2049", "-1", "big", "1.5", ""])
def test_an_impossible_size_is_400(server: str, size: str) -> None:
    response = requests.get(f"{server}/api/image/1/thumbnail?size={size}", timeout=10)
    assert response.status_code == 400
    assert isinstance(response.json()["error"], str)


def test_a_client_that_wants_one_shape_gets_it_everywhere(server: str) -> None:
    response = requests.post(f"{server}/api/search/text", json={}, headers={"X-Error-Shape": "object"}, timeout=10)
    assert response.json()["error"]["code"] == "bad_request"
    assert requests.post(f"{server}/search", json={}, timeout=10).json()["error"]["code"] == "bad_request"
