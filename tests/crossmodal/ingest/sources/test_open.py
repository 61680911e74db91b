from pathlib import Path

import pytest

from crossmodal.errors import SourceError
from crossmodal.ingest.sources.base import SourceLimits
from crossmodal.ingest.sources.csv import CsvSource
from crossmodal.ingest.sources.folder import FolderSource
from crossmodal.ingest.sources.open import open_source

LIMITS = SourceLimits()


def test_a_csv_a_folder_and_a_folder_with_its_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "captions.csv"
    table.write_text("image,caption\na.jpg,A dog.\n")
    (tmp_path / "a.jpg").write_bytes(b"x")
    assert isinstance(open_source(str(table), limits=LIMITS), CsvSource)
    by_folder = open_source(tmp_path, limits=LIMITS)
    assert isinstance(by_folder, CsvSource)
    assert by_folder.name == str(table)
    table.write_text("day,temperature\n1,20\n")
    assert isinstance(open_source(tmp_path, limits=LIMITS), FolderSource)
    table.write_text("image,caption\na.jpg,A dog.\n")
    (tmp_path / "second.csv").write_text("image,caption\na.jpg,A dog.\n")
    assert isinstance(open_source(tmp_path, limits=LIMITS), FolderSource)
    monkeypatch.setenv("HOME", str(tmp_path.parent))
    assert open_source(f"~/{tmp_path.name}/captions.csv", limits=LIMITS, name="mine").name == "mine"


@pytest.mark.parametrize("where", ["", "  ", "a\0b", "https://x.test/c.csv", "/no/such/place", "x" * 5000, "~nobody-here-42/x"])
def test_what_is_no_place_on_this_computer_is_refused_kindly(where: str) -> None:
    with pytest.raises(SourceError) as error:
        open_source(where, limits=LIMITS)
    assert error.value.code == "file_missing"
    assert error.value.remedy


def test_devices_are_refused() -> None:
    with pytest.raises(SourceError) as error:
        open_source("/dev/zero", limits=LIMITS)
    assert error.value.code == "csv_malformed"


def test_a_broken_table_among_pictures_is_said_and_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "captions.csv").write_bytes(b"\x1f\x8b\x08")
    (tmp_path / "a.jpg").write_bytes(b"x")
    with pytest.raises(SourceError, match="gzip"):
        open_source(tmp_path, limits=LIMITS)


def test_a_file_that_is_no_table_says_what_is_read(tmp_path: Path) -> None:
    readme, table = tmp_path / "readme.txt", tmp_path / "table.csv"
    for path in (readme, table):
        path.write_text("read me\n")
    with pytest.raises(SourceError, match=r'^"readme\.txt" is not a catalogue: There is no column "title"') as caught:
        open_source(readme, limits=LIMITS)
    assert caught.value.remedy.startswith("Give a folder or a file (.csv, .tsv, .zip, ")
    with pytest.raises(SourceError, match=r"^There is no column"):
        open_source(table, limits=LIMITS)
    readme.write_text("title,image\na mug,mug.jpg\n")  # what is in it counts, not what it is called
    assert isinstance(open_source(readme, limits=LIMITS), CsvSource)
