"""Following a folder: new, changed, renamed and deleted pictures, read only where something changed."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crossmodal.errors import SourceError
from crossmodal.progress import ignore_progress
from engine.live import LiveApp
from engine.watch import watch_folder
from tests.app_parts import csv_source, make_live_app, png, things
from tests.tiny import shared_model

LONG_S = 30.0


class Watched:
    """A folder that is being followed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "pictures"
        csv_source(self.folder, things(3)).unlink()
        self.app: LiveApp = make_live_app(folder / "here", shared_model())
        self.said: list[str] = []
        self.warned: list[str] = []
        self.stop, self.ready = threading.Event(), threading.Event()
        self.failed: list[BaseException] = []
        self.thread = threading.Thread(target=self._follow)
        self.thread.start()
        assert self.ready.wait(LONG_S)

    def _follow(self) -> None:
        try:
            watch_folder(
                self.app,
                str(self.folder),
                ignore_progress,
                self.stop,
                say=self.said.append,
                warn=self._warned,
                ready=self.ready.set,
            )
        except BaseException as error:  # noqa: BLE001 - raised again by the test
            self.failed.append(error)
            self.ready.set()

    def _warned(self, message: str, remedy: str) -> None:
        self.warned.append(f"{message} {remedy}")

    def sources(self) -> list[str]:
        return sorted(item.origin for item in self.app.page(100))

    def becomes(self, state: Callable[[], bool]) -> bool:
        """Whether something comes true before long."""
        end = time.monotonic() + LONG_S
        while not state() and time.monotonic() < end:
            time.sleep(0.05)
        return state()

    def close(self) -> None:
        self.stop.set()
        self.thread.join(LONG_S)
        assert not self.thread.is_alive()
        assert self.failed == []
        self.app.close()


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    followed = Watched(tmp_path)
    yield followed
    followed.close()


def test_what_happens_to_the_folder_happens_to_the_collection(watched: Watched) -> None:
    assert watched.sources() == ["000.png", "001.png", "002.png"]
    (watched.folder / "new").mkdir()
    (watched.folder / "new" / "one.png").write_bytes(png("black", "bar", 41))
    assert watched.becomes(lambda: "new/one.png" in watched.sources())
    ids = {item.origin: item.item_id for item in watched.app.page(9)}
    (watched.folder / "000.png").rename(watched.folder / "renamed.png")
    assert watched.becomes(lambda: watched.sources() == ["001.png", "002.png", "new/one.png", "renamed.png"])
    assert watched.becomes(lambda: {item.origin: item.item_id for item in watched.app.page(9)}["renamed.png"] == ids["000.png"])
    assert watched.becomes(lambda: any("1 picture only changed its name" in sentence for sentence in watched.said))
    (watched.folder / "001.png").unlink()
    assert watched.becomes(lambda: watched.sources() == ["002.png", "new/one.png", "renamed.png"])
    assert watched.becomes(lambda: any("1 picture left the collection" in sentence for sentence in watched.said))
    before = {item.origin: item.content_hash for item in watched.app.page(9)}
    (watched.folder / "002.png").write_bytes(png("yellow", "disc", 42))
    assert watched.becomes(lambda: {item.origin: item.content_hash for item in watched.app.page(9)}["002.png"] != before["002.png"])
    after = {item.origin: item.content_hash for item in watched.app.page(9)}
    assert after["renamed.png"] == before["renamed.png"]
    assert any("1 picture indexed" in sentence for sentence in watched.said)


def test_a_picture_that_was_half_written_comes_in_when_it_is_whole(watched: Watched) -> None:
    whole = png("black", "disc", 43)
    (watched.folder / "slow.png").write_bytes(whole[:100])
    assert watched.becomes(lambda: len(watched.app.failures()) == 1)
    (watched.folder / "slow.png").write_bytes(whole)
    assert watched.becomes(lambda: "slow.png" in watched.sources())
    assert watched.becomes(lambda: watched.app.failures() == [])


def test_a_title_beside_a_picture_is_followed_too(watched: Watched) -> None:
    (watched.folder / "001.txt").write_text("my own title\n")
    assert watched.becomes(lambda: "my own title" in [item.title for item in watched.app.page(9)])


def test_an_emptied_folder_keeps_the_collection_and_says_so(watched: Watched) -> None:
    for path in watched.folder.glob("*.png"):
        path.unlink()
    assert watched.becomes(lambda: any("no pictures" in sentence for sentence in watched.warned))
    [warned] = watched.warned
    assert f"python cli.py remove --catalogue {watched.folder}" in warned
    assert "stays in the collection: 3 pictures." in warned
    assert watched.sources() != []  # a folder that was lost is not a wish to lose the collection


def test_only_folders_can_be_followed(tmp_path: Path) -> None:
    live = make_live_app(tmp_path / "here", shared_model())
    table = csv_source(tmp_path / "mine", things(2))
    with pytest.raises(SourceError, match="not a folder"):
        watch_folder(live, str(table), ignore_progress, threading.Event(), say=print, warn=print)
    live.close()
