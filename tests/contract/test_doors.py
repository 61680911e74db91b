"""Two hundred random questions through the page's code, HTTP and the shell: the same items with the same scores."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from api.app import create_api
from api.local import LocalApi
from cli import app as command_line
from config import Settings
from crossmodal.items import NewItem
from engine.live import LiveApp
from engine.query import SIGNALS, Query
from initialize import build_system
from tests.app_parts import png
from tests.commands.shell import settled
from tests.tiny import COLOURS, THINGS, shared_model
from ui.components.results import answer
from ui.components.upload import _add
from ui.url_state import Asked, ResultFilter

pytestmark = pytest.mark.slow

QUESTIONS = 200
KINDS = [(colour, thing) for colour in COLOURS for thing in THINGS]
Found = list[tuple[str, float, str]]
"""Ids, which are strings in JSON, scores, and what found each, best first."""


class Doors(NamedTuple):
    """One collection behind three doors."""

    app: LiveApp
    client: TestClient
    folder: Path


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    """Forty items, of which a third share a picture; the shell asks through the socket of the program that has them open."""
    folder = tmp_path_factory.mktemp("doors")
    shared_model().save(folder / "trained_model.pth")
    with pytest.MonkeyPatch.context() as patch:
        settled(folder, patch)
        app = build_system(Settings(), fill=False)
        model = app.generation().model
        for number in range(40):
            colour, thing = KINDS[number % len(KINDS)]
            picture = app.look_at(png(colour, thing, number if number % 3 else 7))
            embedding = model.encode_pixels(picture.pixels[None])[0]
            named = {"colour": colour, "thing": thing, "half": str(number % 2)}
            new = NewItem(f"{number}", f"{colour} {thing} {number}", picture, embedding, attributes=named)
            app.store.items.add(new, model_id=model.model_id)
        with LocalApi(app), TestClient(create_api(app), base_url="http://127.0.0.1") as client:
            yield Doors(app, client, folder)
        app.close()


def questions(folder: Path) -> Iterator[tuple[Query, Path | None]]:
    """Random queries, with the file of their picture."""
    rng = random.Random(20)
    for number in range(QUESTIONS):
        kind = rng.choice(["text", "picture", "item", "text and picture", "text and item"])
        text = " ".join(rng.sample([*COLOURS, *THINGS], rng.randint(1, 3))) if "text" in kind else None
        path = None
        if "picture" in kind:
            path = folder / f"{number}.png"
            path.write_bytes(png(*rng.choice(KINDS), rng.randrange(60)))
        where: dict[str, list[str]] = {}
        if rng.random() < 0.4:
            where["colour"] = rng.sample(list(COLOURS), rng.randint(1, 3))
        if rng.random() < 0.2:
            where["half"] = ["0"]
        yield (
            Query(
                text,
                None if path is None else path.read_bytes(),
                rng.randint(1, 40) if "item" in kind else None,
                round(rng.random(), 2) if " and " in kind else 0.5,
                where or None,
                round(rng.random(), 2) if rng.random() < 0.3 else None,
                rng.randint(1, 20),
                rng.choice([0, 0, 0, 3, 11]),
                rng.random() < 0.7,
                signal=rng.choice(SIGNALS),
            ),
            path,
        )


def by_page(app: LiveApp, query: Query) -> Found:
    """Ids, scores and what found each, from what the page shows, which shows each picture once."""
    picture = None if query.image is None else app.look_at(query.image)  # type: ignore[arg-type]
    asked = Asked(query.text or "", query.item_id or 0, picture, balance=query.weight)
    chosen = ResultFilter({name: tuple(values) for name, values in (query.where or {}).items()}, query.min_score, query.signal)
    got = answer(app, asked, chosen, top_k=query.top_k, offset=query.offset)
    assert got.problem is None
    return [(str(result.item.item_id), result.score, result.found_by) for result in got.results]


def by_http(client: TestClient, query: Query) -> Found:
    """Ids, scores and what found each, of `POST /search`."""
    fields: dict[str, Any] = {
        "top_k": query.top_k,
        "offset": query.offset,
        "min_score": query.min_score,
        "where": query.where,
        "collapse_duplicates": query.collapse_duplicates,
        "query": query.text,
        "image_id": query.item_id,
        "weight": query.weight,
        "signal": query.signal,
    }
    given = {name: value for name, value in fields.items() if value is not None}
    if query.image is None:
        response = client.post("/search", json=given)
    else:
        form = {name: json.dumps(value) if name == "where" else str(value) for name, value in given.items()}
        response = client.post("/search", data=form, files={"image": ("x.png", query.image)})  # type: ignore[dict-item]
    assert response.status_code == 200, response.text
    return [(each["item"]["item_id"], each["score"], each["found_by"]) for each in response.json()["results"]]


def by_shell(query: Query, path: Path | None) -> Found:
    """Ids, scores and what found each, of `search --json`."""
    words: list[object] = ["search", "--json", "-k", query.top_k, "--offset", query.offset, "--signal", query.signal]
    if query.text is not None:
        words += query.text.split()
        words += ["--weight", query.weight] if query.image is not None or query.item_id is not None else []
        words += ["--and-image", path] if path is not None else []
    elif path is not None:
        words.append(path)
    words += ["--item", query.item_id] if query.item_id is not None else []
    words += ["--min-score", query.min_score] if query.min_score is not None else []
    words += [] if query.collapse_duplicates else ["--duplicates"]
    for name, values in (query.where or {}).items():
        for value in values:
            words += ["--where", f"{name}={value}"]
    result = CliRunner().invoke(command_line, [str(word) for word in words])
    assert result.exit_code in (0, 1), result.output
    return [(each["item_id"], each["score"], each["found_by"]) for each in json.loads(result.stdout)["results"]]


def test_every_door_gives_the_same_answer(doors: Doors) -> None:
    found = 0
    for query, path in questions(doors.folder):
        expected = [
            (str(result.item.item_id), round(result.score, 6), result.found_by) for result in doors.app.search(query).results
        ]
        assert by_http(doors.client, query) == expected, query
        assert by_shell(query, path) == expected, query
        if query.collapse_duplicates:
            assert [(item_id, round(score, 6), by) for item_id, score, by in by_page(doors.app, query)] == expected, query
        found += len(expected)
    assert found > 5 * QUESTIONS, "most of the questions have answers"


def test_an_id_from_one_door_opens_another(doors: Doors) -> None:
    [listed] = json.loads(CliRunner().invoke(command_line, ["list", "--json", "--limit", "1"]).stdout)["items"]
    answer = doors.client.get(f"/api/items/{listed['item_id']}").json()
    asked = ["search", "--json", "--item"]
    by_text, by_json = (
        CliRunner().invoke(command_line, [*asked, item_id]).stdout for item_id in (answer["item_id"], json.dumps(answer["item_id"]))
    )

    assert (answer["item_id"], answer["title"]) == (listed["item_id"], listed["title"])
    assert by_text == by_json != ""
    for image_id in (listed["item_id"], int(listed["item_id"])):
        assert doors.client.post("/search", json={"image_id": image_id}).status_code == 200


def test_every_door_joins_a_known_picture(doors: Doors, tmp_path: Path) -> None:
    """The page's upload, HTTP and the shell add three pictures that a catalogue has, with the same words."""
    model = doors.app.generation().model
    known = []
    for number in range(3):
        picture = doors.app.look_at(png("red", "disc", 500 + number))
        new = NewItem(f"shop\n{number}", "a disc", picture, model.encode_pixels(picture.pixels[None])[0], source="shop")
        known.append(str(doors.app.store.items.add(new, model_id=model.model_id)[0].item_id))
        (tmp_path / f"{number}.png").write_bytes(png("red", "disc", 500 + number))
    by_page = _add(doors.app, doors.app.look_at(tmp_path / "0.png"), "my disc", "mine.png")
    form = {"data": {"title": "my disc"}, "files": {"image": ("mine.png", (tmp_path / "1.png").read_bytes())}}
    http = doors.client.post("/api/items", **form)  # type: ignore[arg-type]
    shell = CliRunner().invoke(
        command_line, ["add", "--json", "--quiet", str(tmp_path / "2.png"), "--title", "my disc", "--source", "mine.png"]
    )
    [by_shell] = json.loads(shell.stdout)["items"]

    assert (by_page.created, http.json()["created"], by_shell["created"]) == (False, False, False)
    assert [str(by_page.item_id), http.json()["item"]["item_id"], by_shell["item_id"]] == known
    items = [doors.client.get(f"/api/items/{item_id}").json() for item_id in known]
    assert [(item["title"], item["captions"]) for item in items] == 3 * [("a disc", ["a disc", "my disc"])]
    assert [[(row["catalogue"], row["title"]) for row in item["sources"]] for item in items] == 3 * [
        [("shop", "a disc"), ("added", "my disc")]
    ]
