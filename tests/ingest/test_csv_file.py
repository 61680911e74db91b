import os
import zipfile
from pathlib import Path

import pytest

from crossmodal.errors import CatalogueError
from crossmodal.ingest.csv_file import encoding_error, open_csv_text
from crossmodal.ingest.limits import CatalogueLimits

LIMITS = CatalogueLimits()
TEXT = "title,imgUrl\r\nCafé,a.jpg\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_marked_encodings_give_the_same_text_with_its_line_ends(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(TEXT.encode(encoding))
    with open_csv_text(path, limits=LIMITS) as text:
        assert text.read() == TEXT


@pytest.mark.parametrize(
    ("data", "code", "word"),
    [
        (b"", "csv_empty", "empty"),
        (b"\x1f\x8b\x08\x00", "unsupported_format", "gzip"),
        (b"\x89PNG\r\n\x1a\n", "csv_malformed", "PNG picture"),
        (b"\xff\xd8\xff\xe0", "csv_malformed", "JPEG picture"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "csv_malformed", "old Excel"),
        (b"%PDF-1.7", "csv_malformed", "PDF"),
        (b'[{"id": 1}]', "csv_malformed", "JSON"),
        (b"\xef\xbb\xbf  {}", "csv_malformed", "JSON"),
        (b"<html></html>", "csv_malformed", "web page"),
        ("title,imgUrl\n".encode("utf-16-le"), "csv_encoding", "UTF-8"),
    ],
)
def test_other_kinds_of_files_are_named(tmp_path: Path, data: bytes, code: str, word: str) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(data)
    with pytest.raises(CatalogueError, match=word) as error:
        open_csv_text(path, limits=LIMITS)
    assert error.value.code == code
    assert error.value.remedy


def test_an_excel_file_is_told_from_another_archive(tmp_path: Path) -> None:
    for member, word, code in (("xl/workbook.xml", "Excel", "csv_malformed"), ("a.txt", "zip archive", "unsupported_format")):
        path = tmp_path / "c.csv"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(member, "x")
        with pytest.raises(CatalogueError, match=word) as error:
            open_csv_text(path, limits=LIMITS)
        assert error.value.code == code


def test_what_is_no_plain_file_is_refused_at_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, code in ((pipe, "csv_malformed"), (Path("/dev/zero"), "csv_malformed"), (tmp_path / "none", "file_missing")):
        with pytest.raises(CatalogueError) as error:
            open_csv_text(path, limits=LIMITS)
        assert error.value.code == code


def test_a_file_over_the_size_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(b"x" * 101)
    with pytest.raises(CatalogueError) as error:
        open_csv_text(path, limits=CatalogueLimits(max_csv_bytes=100))
    assert error.value.code == "too_large"


def test_wrong_text_is_reported_with_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(b"title,imgUrl\nfine,a.jpg\nCaf\xe9,b.jpg\n")
    assert "Line 3" in encoding_error(path, limits=LIMITS).message
    path.write_bytes("title".encode("utf-16") + b"\x00\xd8")
    assert "Line" not in encoding_error(path, limits=LIMITS).message or "Line 1" in encoding_error(path, limits=LIMITS).message
