import os
from pathlib import Path

import pytest

from crossmodal.errors import SourceError
from crossmodal.ingest.sources.base import SourceLimits, Unread
from crossmodal.ingest.sources.folder import FolderSource
from crossmodal.items import Failure, SourceRow

LIMITS = SourceLimits()


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def test_pictures_at_any_depth_in_a_stable_order(tmp_path: Path) -> None:
    touch(
        tmp_path, "b.JPG", "a_red-mug.png", "z/IMG_0001.webp", "c/d/e.heic", "notes.md", ".hidden.jpg", ".git/x.jpg", "c/Thumbs.db"
    )
    source = FolderSource(tmp_path, limits=LIMITS)
    rows = list(source.rows())
    assert [row.key for row in rows] == ["a_red-mug.png", "b.JPG", "c/d/e.heic", "z/IMG_0001.webp"]
    assert [row.title for row in rows] == ["a red mug", "b", "e", "IMG_0001"]
    assert source.survey() == 4
    assert source.name == str(tmp_path)
    assert list(source.rows()) == rows


def test_a_text_file_beside_the_picture_gives_title_and_captions(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.jpg", "c.jpg", "d.jpg")
    (tmp_path / "a.txt").write_bytes("\ufeffCafé au  lait\r\n".encode())
    (tmp_path / "b.txt").write_text("A dog.\n\n  A brown dog.  \n")
    (tmp_path / "c.txt").write_text("\n\n")
    rows = [row for row in FolderSource(tmp_path, limits=LIMITS).rows() if isinstance(row, SourceRow)]
    assert [(row.title, row.captions) for row in rows] == [
        ("Café au lait", ()),
        ("A dog.", ("A dog.", "A brown dog.")),
        ("c", ()),
        ("d", ()),
    ]


def test_a_text_file_that_cannot_be_used_is_a_failure_of_its_picture(tmp_path: Path) -> None:
    touch(tmp_path, "in/a.jpg", "in/b.jpg", "in/c.jpg")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "in" / "a.txt").write_bytes(b"caf\xe9")
    (tmp_path / "in" / "b.txt").write_bytes(b"x" * 100)
    (tmp_path / "in" / "c.txt").symlink_to(tmp_path / "secret")
    entries = list(FolderSource(tmp_path / "in", limits=SourceLimits(max_text_bytes=99)).rows())
    assert [entry.code for entry in entries if isinstance(entry, Failure)] == ["csv_encoding", "too_large", "path_outside"]


def test_links_never_lead_out_of_the_folder_and_circles_end(tmp_path: Path) -> None:
    touch(tmp_path, "in/a.jpg", "out/b.jpg")
    (tmp_path / "in" / "out").symlink_to(tmp_path / "out")
    (tmp_path / "in" / "circle").symlink_to(tmp_path / "in")
    assert [row.key for row in FolderSource(tmp_path / "in", limits=LIMITS).rows()] == ["a.jpg"]


def test_names_that_look_like_addresses_stay_paths(tmp_path: Path) -> None:
    touch(tmp_path, "http:x.jpg")
    [row] = FolderSource(tmp_path, limits=LIMITS).rows()
    assert (row.key, row.location) == ("http:x.jpg", "./http:x.jpg")


def test_a_name_that_is_no_text_is_a_failure(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")).write_bytes(b"x")
    [failure] = FolderSource(tmp_path, limits=LIMITS).rows()
    assert isinstance(failure, Failure)
    failure.key.encode()
    assert failure.code == "file_missing"
    assert "Rename" in failure.remedy


def test_an_empty_or_too_full_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as error:
        FolderSource(tmp_path, limits=LIMITS)
    assert error.value.code == "csv_no_rows"
    touch(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    with pytest.raises(SourceError) as error:
        list(FolderSource(tmp_path, limits=SourceLimits(max_rows=2)).rows())
    assert error.value.code == "csv_too_many_rows"


def test_a_folder_that_vanishes_while_it_is_read_is_a_failure(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "sub/b.jpg")
    rows = FolderSource(tmp_path, limits=LIMITS).rows()
    assert next(rows).key == "a.jpg"
    (tmp_path / "sub" / "b.jpg").unlink()
    (tmp_path / "sub").rmdir()
    [failure] = rows
    assert isinstance(failure, Unread)
    assert (failure.key, failure.beginnings) == ("sub", ("sub/",))
