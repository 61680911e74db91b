"""The socket for the command line returns the same results and errors as the app, to its owner only."""

import json
import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import UnixStreamServer
from typing import Any

import pytest

from api import client, local
from api.client import PORT_NAME, SOCKET_NAME, VERSION, RemoteApp, connect, socket_path
from api.local import LocalApi
from crossmodal.errors import AddressError, BusyError, CrossmodalError
from crossmodal.items import CaptionResult
from engine.live import LiveApp
from engine.query import Query, SearchAnswer
from tests.api.conftest import SHELF, filled_app
from tests.app_parts import LIMITS, png

RED = png("red", "disc", 77)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveApp]:
    app = filled_app(tmp_path_factory.mktemp("c"))
    with LocalApi(app):
        yield app
    app.close()


@pytest.fixture
def remote(app: LiveApp) -> Iterator[RemoteApp]:
    found = connect(app.store.path.parent, app.model_path)
    assert found is not None
    with found:
        yield found


def found_nothing(folder: Path, model: Path) -> bool:
    found = connect(folder, model)
    if found is not None:
        found.close()
    return found is None


def rounded(answer: SearchAnswer) -> SearchAnswer:
    """Round as the API rounds scores."""
    return replace(answer, results=[replace(each, score=round(each.score, 6)) for each in answer.results])


def rounded_captions(captions: list[CaptionResult]) -> list[CaptionResult]:
    return [replace(each, score=round(each.score, 6)) for each in captions]


def test_every_search_answers_as_the_app_itself(app: LiveApp, remote: RemoteApp, tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    path.write_bytes(RED)
    address = next(iter(SHELF.pictures))
    where = {"catalogue": ["things", "added"]}
    for query in (
        Query("red disc", top_k=7),
        Query("red", where=where, min_score=0.1, top_k=9, offset=2, collapse_duplicates=False),
        Query(item_id=2),
        Query("blue", item_id=2, weight=0.3),
        Query(image=app.rendition(2)),
    ):
        assert remote.search(query) == rounded(app.search(query))
    for image in (RED, path, address):
        for query in (Query(image=image, include_self=True), Query("blue", image, weight=0.3, top_k=3, where=where)):
            assert remote.search(query) == rounded(app.search(query))
        assert remote.captions_for_image(image, 4) == rounded_captions(app.captions_for_image(image, 4))
    assert len(remote.captions_for_image(RED, 200)) == len(app.captions_for_image(RED, 200))
    assert remote.unknown_words("zebra red") == app.unknown_words("zebra red") == ["zebra"]
    assert remote.nearest_words("rde") == app.nearest_words("rde")
    assert remote.item(2) == app.item(2)
    assert remote.rendition(2) == app.rendition(2)


def test_the_very_picture_is_named(app: LiveApp, remote: RemoteApp) -> None:
    outcome = remote.add_new_item(png("red", "bar", 4_000), "twice")
    assert [item.item_id for item in remote.search(Query(image=png("red", "bar", 4_000))).hidden] == [outcome.item.item_id]


def test_what_is_added_through_it_is_in_the_collection(app: LiveApp, remote: RemoteApp) -> None:
    data = png("blue", "bar", 4_321)
    words = {"captions": ["a blue bar", "eine Stange \N{SNOWMAN}"], "attributes": {"shelf": "3", 'a"b': "c\nd"}}
    outcome = remote.add_new_item(data, 'My "bar"', origin='C:\\a"b;c.png', **words)  # type: ignore[arg-type]
    assert outcome.created
    assert app.item(outcome.item.item_id) == outcome.item
    assert (outcome.item.title, outcome.item.origin) == ('My "bar"', 'C:\\a"b;c.png')
    assert (outcome.item.captions, dict(outcome.item.attributes)) == (
        tuple(words["captions"]),
        app.item(outcome.item.item_id).attributes,
    )
    assert not remote.add_new_item(data).created
    address = next(iter(SHELF.pictures))
    assert remote.add_new_item(address, origin="the web").item.origin == "the web"


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        (lambda remote: remote.search(Query("  ")), "text_empty"),
        (lambda remote: remote.search(Query("red", top_k=0)), "bad_request"),
        (lambda remote: remote.search(Query("red", where={"a": 7})), "bad_request"),
        (lambda remote: remote.search(Query(item_id=9_999)), "not_found"),
        (lambda remote: remote.search(Query(image=b"<!doctype html>")), "not_an_image"),
        (lambda remote: remote.search(Query(image=Path("nosuch.png"))), "file_missing"),
        (lambda remote: remote._json("GET", "/api/format-the-disk"), "not_found"),
    ],
)
def test_an_error_is_the_apps_own(app: LiveApp, remote: RemoteApp, ask: Callable[[Any], object], code: str) -> None:
    with pytest.raises(CrossmodalError) as error:
        ask(remote)
    assert error.value.code == code
    assert error.value.remedy
    if code != "not_found":
        with pytest.raises(CrossmodalError) as own:
            ask(app)
        assert own.value.sentence == error.value.sentence
    assert remote.search(Query("red disc")).results  # the connection goes on


def test_an_inside_address_is_refused_over_there(app: LiveApp, remote: RemoteApp, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(url: str) -> bytes:
        raise AddressError("url_blocked_address", f"{url} leads inside.", remedy="Use another.")

    monkeypatch.setattr(app.engine.fetcher, "fetch", refuse)
    with pytest.raises(CrossmodalError, match="leads inside"):
        remote.search(Query(image="http://10.0.0.1/x.png"))


def test_a_fault_inside_is_one_sentence(
    app: LiveApp, remote: RemoteApp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(app, "item", lambda item_id: 1 / 0)
    with pytest.raises(CrossmodalError) as error:
        remote.item(1)
    assert error.value.code == "internal"
    assert "ZeroDivisionError" in caplog.text


def test_its_owner_is_told_of_files(app: LiveApp, remote: RemoteApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other clients are referred to the log."""

    def full(item_id: int) -> None:
        raise BusyError("busy", "/srv/secret/catalog.sqlite3 is being written.", remedy="Try again.")

    monkeypatch.setattr(app, "item", full)
    with pytest.raises(CrossmodalError, match="/srv/secret/catalog"):
        remote.item(1)


def test_the_socket_is_its_owners_alone(app: LiveApp) -> None:
    mode = (app.store.path.parent / SOCKET_NAME).stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_it_is_its_owners_alone_before_anybody_can_speak_and_no_other_file_is_touched_by_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, modes = tmp_path / SOCKET_NAME, list[int]()
    listen = socket.socket.listen

    def seen(self: socket.socket, waiting: int) -> None:
        modes.append(stat.S_IMODE(path.stat().st_mode))
        listen(self, waiting)

    former = os.umask(0)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(os, "umask", lambda mask: pytest.fail("the umask is that of every thread"))
            patch.setattr(socket.socket, "listen", seen)
            local._listening(path).close()
    finally:
        os.umask(former)
    assert modes == [0o600]


def test_the_first_program_has_the_socket_and_the_next_gets_it_afterwards(app: LiveApp, tmp_path: Path) -> None:
    assert not LocalApi(app).start()
    other = filled_app(tmp_path / "other", 3)
    with LocalApi(other) as running:
        assert not found_nothing(tmp_path / "other", other.model_path)
        assert not LocalApi(other).start()
        running.close()
        assert found_nothing(tmp_path / "other", other.model_path)
        assert not (tmp_path / "other" / SOCKET_NAME).exists()
    with LocalApi(other):
        assert not found_nothing(tmp_path / "other", other.model_path)
    other.close()


def test_only_ones_own_socket_is_taken_away(tmp_path: Path) -> None:
    """The folder was replaced meanwhile, with another program's socket in it."""
    app = filled_app(tmp_path, 3)
    path = tmp_path / SOCKET_NAME
    with LocalApi(app):
        path.unlink()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as others:
            others.bind(str(path))
    assert path.exists()
    app.close()


def test_what_a_killed_program_left_is_no_obstacle(tmp_path: Path) -> None:
    app = filled_app(tmp_path, 3)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(str(tmp_path / SOCKET_NAME))
    assert found_nothing(tmp_path, app.model_path)
    with LocalApi(app):
        assert not found_nothing(tmp_path, app.model_path)
    app.close()


def test_where_the_system_has_no_such_sockets_a_port_asks_for_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = filled_app(tmp_path, 3)
    path = tmp_path / PORT_NAME
    path.write_text('{"port": 1, "token": "left by a killed program"}')
    for module in (client, local):
        monkeypatch.setattr(module, "socket_path", lambda folder: folder / PORT_NAME)
    with LocalApi(app):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        running = connect(tmp_path, app.model_path)
        assert running is not None
        with running:
            assert running.search(Query("red disc")).results
            running._headers["X-API-Key"] = "a guess of twenty-four"
            with pytest.raises(CrossmodalError) as refused:
                running.item(1)
            assert refused.value.code == "unauthorized"
        assert not LocalApi(app).start()
    assert not path.exists()
    app.close()


@contextmanager
def somebody_else(folder: Path, about: dict[str, Any], *, times: int = 1) -> Iterator[None]:
    """A program that describes itself in its own way, and exits."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(about).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "the shell"

        def log_message(self, *args: object) -> None:
            pass

    with UnixStreamServer(str(folder / SOCKET_NAME), Handler) as server:
        thread = threading.Thread(target=lambda: [server.handle_request() for _ in range(times)])
        thread.start()
        yield
        thread.join(10)


OURS = {"version": VERSION, "model_path": "/m", "limits": asdict(LIMITS)}


@pytest.mark.parametrize("different", [{"version": 0}, {"model_path": "/elsewhere"}, {"limits": {"many": 1}}, {"limits": None}])
def test_a_program_of_another_kind_is_left_alone(tmp_path: Path, different: dict[str, Any]) -> None:
    with somebody_else(tmp_path, OURS | different):
        assert found_nothing(tmp_path, Path("/m"))


def test_no_socket_where_the_path_is_too_long(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 120)
    assert socket_path(deep) is None
    assert found_nothing(deep, tmp_path)


@pytest.mark.parametrize("said", [b"", b"\0", b"BREW / HTCPCP/1.0\r\n\r\n", b"\xff" * 64])
def test_nonsense_ends_the_connection_and_nothing_else(app: LiveApp, remote: RemoteApp, said: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stranger:
        stranger.settimeout(10)
        stranger.connect(str(app.store.path.parent / SOCKET_NAME))
        stranger.sendall(said)
        stranger.shutdown(socket.SHUT_WR)
        while stranger.recv(65_536):
            pass
    assert remote.search(Query("red disc")).results


def test_a_program_that_breaks_off_is_said(tmp_path: Path) -> None:
    with somebody_else(tmp_path, OURS):
        running = connect(tmp_path, Path("/m"))
        assert running is not None
    with running, pytest.raises(BusyError, match="broke off"):
        running.search(Query("red"))


def test_many_ask_at_once(app: LiveApp) -> None:
    answers = []

    def ask() -> None:
        running = connect(app.store.path.parent, app.model_path)
        assert running is not None
        with running:
            answers.extend(running.search(Query("red disc", top_k=1)).results[0].item.title for _ in range(5))

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (len(answers), len(set(answers))) == (100, 1)
