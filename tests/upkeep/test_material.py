"""What training is given of a collection in which some stored pictures are damaged."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from crossmodal.errors import PictureError, QueryError, StoreError, TrainingError
from crossmodal.progress import Progress, ignore_progress
from tests.app_parts import csv_catalogue, make_live_app, things
from tests.tiny import shared_model
from upkeep.learning import left_out
from upkeep.live_app import LiveApp
from upkeep.material import gathered

ITEMS = 60


@pytest.fixture
def app(tmp_path: Path) -> Iterator[LiveApp]:
    app = make_live_app(tmp_path, shared_model().save(tmp_path / "model.pth"))
    app.upkeep.index(str(csv_catalogue(tmp_path / "mine", things(ITEMS))), ignore_progress)
    yield app
    app.close()


def damage(folder: Path, *places: int) -> list[str]:
    """Stored pictures overwritten from outside; returns their content hashes."""
    with closing(sqlite3.connect(folder / "catalog.sqlite3")) as db:
        hashes = [row[0] for row in db.execute("SELECT content_hash FROM items ORDER BY item_id")]
        found = [hashes[place] for place in places]
        db.executemany("UPDATE pictures SET rendition = x'00' WHERE content_hash = ?", [(each,) for each in found])
        db.commit()
    return found


def test_damaged_pictures_are_left_out_and_counted(app: LiveApp, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bad = damage(tmp_path, 0, 41)
    told: list[Progress] = []
    material = gathered(app, 1000, told.append)
    found = {*material.train.content_hashes, *material.held_out.content_hashes}
    assert len(found) == ITEMS - 2
    assert not found & set(bad)
    assert material.damaged == 2
    assert told[-1].message == "2 damaged pictures were left out."
    assert "2 damaged pictures were left out. Their items: 1, 42" in caplog.text


def test_a_sound_collection_is_taken_whole(app: LiveApp, caplog: pytest.LogCaptureFixture) -> None:
    material = gathered(app, 1000, ignore_progress)
    assert (len(material.train) + len(material.held_out), material.damaged) == (ITEMS, 0)
    assert "left out" not in caplog.text


def test_too_few_sound_pictures_say_why(app: LiveApp, tmp_path: Path) -> None:
    damage(tmp_path, *range(11))
    with pytest.raises(TrainingError, match=r"There are 49 pictures .* needs 50\. 11 damaged pictures were left out\."):
        gathered(app, 1000, ignore_progress)


@pytest.mark.parametrize(
    ("error", "damaged"), [(QueryError("not_found", "removed meanwhile"), 0), (PictureError("image_corrupt", "no picture"), 1)]
)
def test_one_that_cannot_be_had_does_not_end_it(
    app: LiveApp, monkeypatch: pytest.MonkeyPatch, error: Exception, damaged: int
) -> None:
    raising(app, monkeypatch, error)
    material = gathered(app, 1000, ignore_progress)
    assert (len(material.train) + len(material.held_out), material.damaged) == (ITEMS - 1, damaged)


def test_a_disk_that_fails_ends_it(app: LiveApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is no damaged picture: with the disk back, all of them are there."""
    raising(app, monkeypatch, StoreError("index_missing", "The disk is away."))
    with pytest.raises(StoreError, match="away"):
        gathered(app, 1000, ignore_progress)


def raising(app: LiveApp, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """The third item cannot be had."""
    rendition = app.catalog.rendition

    def third_fails(item_id: int) -> bytes:
        if item_id == 3:
            raise error
        return rendition(item_id)

    monkeypatch.setattr(app.catalog, "rendition", third_fails)


def test_how_it_is_said() -> None:
    assert left_out(0) == ""
    assert left_out(1) == "1 damaged picture was left out."
