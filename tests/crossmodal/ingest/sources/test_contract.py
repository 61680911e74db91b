"""What every source promises, for every format that can be opened by its ending, for CSV and for folders."""

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crossmodal.errors import SourceError
from crossmodal.ingest.sources import open as opening
from crossmodal.ingest.sources.base import HoldsPictures, Source, SourceLimits
from crossmodal.items import SourceRow

PICTURES = {"blue_hat.png": b"1", "red_mug.png": b"2", "tall_lamp.png": b"3"}
TITLES = ["blue hat", "red mug", "tall lamp"]
LIMITS = SourceLimits(max_rows=3)


def write_folder(path: Path) -> None:
    path.mkdir()
    for name, data in PICTURES.items():
        (path / name).write_bytes(data)


def write_csv(path: Path) -> None:
    rows = [f"{title},{name}" for title, name in zip(TITLES, PICTURES, strict=True)]
    path.write_text("\n".join(["title,imgUrl", *rows]), encoding="utf-8")


def write_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in PICTURES.items():
            archive.writestr(name, data)


def write_tar(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        for name, data in PICTURES.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def write_parquet(path: Path) -> None:
    pq.write_table(pa.table({"image": list(PICTURES.values()), "title": TITLES}), path)


WRITERS: dict[str, Callable[[Path], None]] = {
    "": write_folder,
    ".csv": write_csv,
    ".zip": write_zip,
    ".tar": write_tar,
    ".parquet": write_parquet,
    ".pq": write_parquet,
}
"""Ending → writes the three pictures as that format."""

every = pytest.mark.parametrize("ending", WRITERS)


@pytest.fixture
def path(ending: str, tmp_path: Path) -> Path:
    path = tmp_path / f"three{ending}"
    WRITERS[ending](path)
    return path


def opened(path: Path, *, limits: SourceLimits = LIMITS, name: str | None = None) -> Source:
    return opening.open_source(path, limits=limits, name=name)


def rows_of(source: Source) -> list[SourceRow]:
    rows = list(source.rows())
    assert all(isinstance(row, SourceRow) for row in rows)
    return [row for row in rows if isinstance(row, SourceRow)]


def test_no_format_is_left_out() -> None:
    assert set(opening._BY_ENDING) <= set(WRITERS), "add a function that writes a small file of the format"


@every
def test_it_names_itself(path: Path) -> None:
    source = opened(path)
    assert source.name == source.location == str(path)
    assert source.label
    assert source.kind.isidentifier()
    assert source.folder == (path if path.is_dir() else path.parent)
    assert opened(path, name="mine").name == "mine"


@every
def test_its_rows_are_the_same_each_time(path: Path) -> None:
    source = opened(path)
    rows = rows_of(source)
    assert [row.title for row in rows] == TITLES
    assert len({row.key for row in rows}) == len(rows)
    assert rows_of(source) == rows == rows_of(opened(path))
    assert source.survey() == len(rows)
    assert source.duplicates == 0


@every
def test_its_pictures_are_held_or_lie_at_their_location(path: Path) -> None:
    source = opened(path)
    if isinstance(source, HoldsPictures):
        assert [source.held(row) for row in rows_of(source)] == list(PICTURES.values())
    else:
        assert [row.location for row in rows_of(source)] == list(PICTURES)


@every
def test_more_rows_than_allowed_are_an_error_after_the_allowed_ones(path: Path) -> None:
    entries = opened(path, limits=SourceLimits(max_rows=2)).rows()
    with pytest.raises(SourceError) as caught:
        list(entries)
    assert caught.value.code == "csv_too_many_rows"
    assert "2" in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize("ending", [ending for ending in WRITERS if ending])
def test_a_file_of_something_else_is_refused_in_one_sentence(path: Path) -> None:
    path.write_bytes(b"\x00\xff" * 600)
    with pytest.raises(SourceError) as caught:
        list(opened(path).rows())
    assert path.name in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.remedy
