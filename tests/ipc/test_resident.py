"""A running program answers as the app itself does: the same results, the same errors, for its owner alone."""

import os
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from crossmodal.errors import AddressError, BusyError, CrossmodalError, PictureError, QueryError, SourceError
from engine.live import LiveApp
from engine.query import Query
from ipc import protocol
from ipc.client import Near, NearLimits, RemoteApp
from ipc.protocol import NAME, socket_path
from ipc.server import Resident, _listening
from tests.api.conftest import SHELF, filled_app
from tests.app_parts import png

RED = png("red", "disc", 77)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveApp]:
    app = filled_app(tmp_path_factory.mktemp("c"))
    with Resident(app):
        yield app
    app.close()


@pytest.fixture
def near(app: LiveApp) -> Iterator[RemoteApp]:
    with Near(app.store.path.parent, app.model_path) as found:
        assert found.app is not None
        yield found.app


def found_nothing(folder: Path, model: Path) -> bool:
    with Near(folder, model) as near:
        return near.app is None


def test_every_search_answers_as_the_app_itself(app: LiveApp, near: RemoteApp, tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    path.write_bytes(RED)
    address = next(iter(SHELF.pictures))
    where = {"catalogue": ["things", "added"]}
    for query in (
        Query("red disc", top_k=7),
        Query("red", where=where, min_score=0.1, top_k=9, offset=2, collapse_duplicates=False),
        Query(item_id=2),
        Query("blue", item_id=2, weight=0.3),
    ):
        assert near.search(query) == app.search(query)
    for image in (RED, path, address):
        for query in (Query(image=image, include_self=True), Query("blue", image, weight=0.3, top_k=3)):
            assert near.search(query) == app.search(query)
        assert near.captions_for_image(image, 4) == app.captions_for_image(image, 4)
    with pytest.raises(QueryError, match="decoded"):
        near.search(Query(image=app.look_at(RED)))
    assert near.unknown_words("zebra red") == app.unknown_words("zebra red") == ["zebra"]
    assert near.nearest_words("rde") == app.nearest_words("rde")
    assert near.item(2) == app.item(2)
    assert near.rendition(2) == app.rendition(2)


def test_what_is_added_through_it_is_in_the_collection(app: LiveApp, near: RemoteApp) -> None:
    data = png("blue", "bar", 4_321)
    outcome = near.add_new_item(data, "My bar", origin="here", captions=["a blue bar"], attributes={"shelf": "3"})
    assert outcome.created
    assert app.item(outcome.item.item_id) == outcome.item
    assert (outcome.item.title, outcome.item.captions, outcome.item.attributes) == ("My bar", ("a blue bar",), {"shelf": "3"})
    assert not near.add_new_item(data).created


@pytest.mark.parametrize(
    ("ask", "kind", "code"),
    [
        (lambda near: near.search(Query("  ")), QueryError, "text_empty"),
        (lambda near: near.search(Query("red", top_k=0)), QueryError, "bad_request"),
        (lambda near: near.search(Query("red", where={"a": 7})), CrossmodalError, "bad_request"),
        (lambda near: near.search(Query(item_id=9_999)), QueryError, "not_found"),
        (lambda near: near.search(Query(image=b"<!doctype html>")), PictureError, "not_an_image"),
        (lambda near: near.search(Query(image=Path("nosuch.png"))), SourceError, "file_missing"),
        (lambda near: near._ask("format the disk", {}), CrossmodalError, "bad_request"),
    ],
)
def test_an_error_is_the_apps_own(near: RemoteApp, ask: object, kind: type[CrossmodalError], code: str) -> None:
    with pytest.raises(kind) as error:
        ask(near)  # type: ignore[operator]
    assert error.value.code == code
    assert error.value.remedy
    assert near.search(Query("red disc"))  # the connection goes on


def test_an_inside_address_is_refused_over_there(app: LiveApp, near: RemoteApp, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(url: str) -> bytes:
        raise AddressError("url_blocked_address", f"{url} leads inside.", remedy="Use another.")

    monkeypatch.setattr(app.fetcher, "fetch", refuse)
    with pytest.raises(AddressError, match="leads inside"):
        near.search(Query(image="http://10.0.0.1/x.png"))


def test_a_fault_inside_is_one_sentence(
    app: LiveApp, near: RemoteApp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(app, "item", lambda item_id: 1 / 0)
    with pytest.raises(CrossmodalError) as error:
        near.item(1)
    assert error.value.code == "internal"
    assert "ZeroDivisionError" in caplog.text


def test_the_socket_is_its_owners_alone(app: LiveApp) -> None:
    mode = (app.store.path.parent / NAME).stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_it_is_its_owners_alone_before_anybody_can_speak_and_no_other_file_is_touched_by_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, modes = tmp_path / NAME, list[int]()
    listen = socket.socket.listen

    def seen(self: socket.socket, waiting: int) -> None:
        modes.append(stat.S_IMODE(path.stat().st_mode))
        listen(self, waiting)

    former = os.umask(0)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(os, "umask", lambda mask: pytest.fail("the umask is that of every thread"))
            patch.setattr(socket.socket, "listen", seen)
            _listening(path).close()
    finally:
        os.umask(former)
    assert modes == [0o600]


def test_the_first_program_has_the_socket_and_the_next_gets_it_afterwards(app: LiveApp, tmp_path: Path) -> None:
    assert not Resident(app).start()
    other = filled_app(tmp_path / "other", 3)
    with Resident(other) as resident:
        assert not found_nothing(tmp_path / "other", other.model_path)
        assert not Resident(other).start()
        resident.close()
        assert found_nothing(tmp_path / "other", other.model_path)
        assert not (tmp_path / "other" / NAME).exists()
    other.close()


def test_what_a_killed_program_left_is_no_obstacle(tmp_path: Path) -> None:
    app = filled_app(tmp_path, 3)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(str(tmp_path / NAME))
    assert found_nothing(tmp_path, app.model_path)
    with Resident(app):
        assert not found_nothing(tmp_path, app.model_path)
    app.close()


@contextmanager
def somebody_else(folder: Path, hello: protocol.Document) -> Iterator[None]:
    """A program that says hello in its own way to one caller, and dies."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(folder / NAME))
        listening.listen()

        def hello_and_die() -> None:
            connection, _ = listening.accept()
            with connection:
                protocol.receive(connection, max_bytes=0)
                protocol.send(connection, hello)

        thread = threading.Thread(target=hello_and_die)
        thread.start()
        yield
        thread.join(10)


OURS: protocol.Document = {"protocol": protocol.PROTOCOL, "model_path": "/m", "max_image_bytes": 10}


@pytest.mark.parametrize("different", [{"protocol": 0}, {"model_path": "/elsewhere"}, {"max_image_bytes": "many"}])
def test_a_program_of_another_kind_is_left_alone(tmp_path: Path, different: protocol.Document) -> None:
    with somebody_else(tmp_path, OURS | different):
        assert found_nothing(tmp_path, Path("/m"))


def test_no_socket_where_the_path_is_too_long(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 120)
    assert socket_path(deep) is None
    assert found_nothing(deep, tmp_path)


@pytest.mark.parametrize("said", [b"", b"\0", b"GET / HTTP/1.1\r\n\r\n", protocol._LENGTHS.pack(2, 0) + b"[]", b"\xff" * 64])
def test_nonsense_ends_the_connection_and_nothing_else(app: LiveApp, near: RemoteApp, said: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stranger:
        stranger.connect(str(app.store.path.parent / NAME))
        stranger.sendall(said)
        stranger.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError):  # closed with some of the nonsense unread
            assert stranger.recv(1) == b""
    assert near.search(Query("red disc"))


def test_a_program_that_breaks_off_is_said(tmp_path: Path) -> None:
    with somebody_else(tmp_path, OURS), Near(tmp_path, Path("/m")) as near:
        assert near.app is not None
        with pytest.raises(BusyError, match="broke off"):
            near.app.search(Query("red"))


def test_many_ask_at_once(app: LiveApp) -> None:
    answers = []

    def ask() -> None:
        with Near(app.store.path.parent, app.model_path) as near:
            assert near.app is not None
            answers.extend(near.app.search(Query("red disc", top_k=1)).results[0].item.title for _ in range(5))

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert answers == ["red disc"] * 100


def test_a_late_answer_is_never_taken_for_the_next_one() -> None:
    near_side, far_side = socket.socketpair()
    with near_side, far_side:
        near_side.settimeout(0.2)
        near = RemoteApp(near_side, NearLimits(1_000))
        with pytest.raises(BusyError):
            near.unknown_words("first")
        with suppress(OSError):
            protocol.send(far_side, {"words": ["first"]})
        with pytest.raises(BusyError):
            near.unknown_words("second")
