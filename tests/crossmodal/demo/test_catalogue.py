"""The catalogue on disk: complete, the same for a seed, all there or not there."""

import csv
import errno
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from crossmodal.demo.catalogue import CSV_NAME, demo_item, write_demo_catalogue
from crossmodal.demo.vocabulary import COMBINATION_COUNT
from crossmodal.errors import SourceError, StoreError
from crossmodal.progress import Progress

PROJECT = Path(__file__).resolve().parents[3]
WRITE = (
    "import sys; from pathlib import Path; from crossmodal.demo.catalogue import write_demo_catalogue;"
    "write_demo_catalogue(Path(sys.argv[1]), seed=5, items=int(sys.argv[2]))"
)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_demo_catalogue(tmp_path_factory.mktemp("small"), seed=5, items=24)


def test_the_csv_is_laid_out_as_readers_expect(small: Path) -> None:
    assert small.name == CSV_NAME
    header, *_ = small.read_text(encoding="utf-8").splitlines()
    assert header == "title,imgUrl,category,colour,pattern,price,held_out"
    rows = rows_of(small)
    assert len(rows) == 24
    assert [row["held_out"] for row in rows] == ["yes" if index % 7 == 6 else "no" for index in range(24)]
    assert all(float(row["price"]) > 0 and len(row["price"].partition(".")[2]) == 2 for row in rows)


def test_every_row_has_its_own_picture(small: Path) -> None:
    rows = rows_of(small)
    assert all(row["imgUrl"].startswith("images/") for row in rows)
    assert len({(small.parent / row["imgUrl"]).read_bytes() for row in rows}) == len(rows)
    assert len(list((small.parent / "images").iterdir())) == len(rows)
    for row in rows:
        with Image.open(small.parent / row["imgUrl"]) as picture:
            assert (picture.format, picture.mode) == ("JPEG", "RGB")
            picture.load()


def test_the_default_catalogue_has_every_combination_and_one_in_seven_held_out() -> None:
    items = [demo_item(index, seed=1) for index in range(720)]
    held_out = [item.combination for item in items if item.held_out]
    training = [item.combination for item in items if not item.held_out]
    assert len({item.combination for item in items}) == COMBINATION_COUNT
    assert len(held_out) == len(set(held_out)) == COMBINATION_COUNT // 7
    assert not set(held_out) & set(training)
    for fact in ("kind", "colour", "pattern"):
        assert {getattr(shown, fact) for shown in training} == {getattr(item.combination, fact) for item in items}


@pytest.mark.slow
def test_another_process_writes_the_same_bytes(small: Path, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONHASHSEED": "77"}
    subprocess.run([sys.executable, "-c", WRITE, tmp_path, "24"], cwd=PROJECT, env=environment, check=True, timeout=60)
    assert digests(tmp_path) == digests(small.parent)


def test_another_seed_gives_other_titles_and_pictures(small: Path, tmp_path: Path) -> None:
    other = write_demo_catalogue(tmp_path, seed=6, items=24)
    pairs = list(zip(rows_of(small), rows_of(other), strict=True))
    assert sum(one["title"] != two["title"] for one, two in pairs) > 12
    assert all((small.parent / one["imgUrl"]).read_bytes() != (tmp_path / two["imgUrl"]).read_bytes() for one, two in pairs)


def test_progress_is_told_from_nothing_to_finished(tmp_path: Path) -> None:
    told: list[Progress] = []
    write_demo_catalogue(tmp_path, seed=1, items=45, on_progress=told.append)
    assert [(moment.done, moment.finished) for moment in told] == [(0, False), (20, False), (40, False), (45, True)]
    assert {(moment.step, moment.total) for moment in told} == {("catalogue", 45)}
    assert told[0].seconds_left is None
    assert told[1].rate_per_s > 0
    assert told[1].seconds_left is not None


def test_a_failure_in_the_middle_leaves_no_csv_and_the_next_start_draws_again(small: Path, tmp_path: Path) -> None:
    def give_up(moment: Progress) -> None:
        if moment.done:
            raise RuntimeError("stopped by the test")

    with pytest.raises(RuntimeError, match="stopped by the test"):
        write_demo_catalogue(tmp_path, seed=5, items=24, on_progress=give_up)
    assert list((tmp_path / "images").iterdir())
    assert not (tmp_path / CSV_NAME).exists()
    write_demo_catalogue(tmp_path, seed=5, items=24)
    assert digests(tmp_path) == digests(small.parent)


@pytest.mark.slow
def test_a_killed_process_leaves_no_csv(small: Path, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITE, tmp_path, "20000"], cwd=PROJECT) as process:
        give_up_at = time.monotonic() + 60
        while not (tmp_path / "images" / "00010.jpg").exists() and time.monotonic() < give_up_at:
            time.sleep(0.01)
        process.kill()
    assert (tmp_path / "images" / "00010.jpg").exists()
    assert not (tmp_path / CSV_NAME).exists()
    assert write_demo_catalogue(tmp_path, seed=5, items=24).read_bytes() == small.read_bytes()


def test_a_csv_that_is_there_is_never_touched(tmp_path: Path) -> None:
    mine = tmp_path / CSV_NAME
    mine.write_text("title,imgUrl\nmy own,mine.jpg\n")
    assert write_demo_catalogue(tmp_path, seed=1, items=5) == mine
    assert mine.read_text() == "title,imgUrl\nmy own,mine.jpg\n"
    assert list(tmp_path.iterdir()) == [mine]


def test_a_full_disk_is_one_error_and_leaves_no_csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left on device") as caught:
        write_demo_catalogue(tmp_path, seed=1, items=2)
    assert caught.value.code == "disk_full"
    assert not (tmp_path / CSV_NAME).exists()


def test_a_folder_that_cannot_be_made_is_one_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(StoreError, match=str(blocked)) as caught:
        write_demo_catalogue(blocked, seed=1, items=2)
    assert caught.value.code == "read_only"
    assert caught.value.remedy


@pytest.mark.parametrize("items", [0, -3])
def test_an_empty_catalogue_is_refused(tmp_path: Path, items: int) -> None:
    with pytest.raises(SourceError, match=str(items)) as caught:
        write_demo_catalogue(tmp_path, seed=1, items=items)
    assert caught.value.code == "bad_request"
    assert not list(tmp_path.iterdir())


def test_drawing_needs_neither_torch_nor_the_network() -> None:
    check = "import sys, crossmodal.demo.catalogue; print(sorted({'torch', 'requests', 'streamlit'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", check], cwd=PROJECT, check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]"
