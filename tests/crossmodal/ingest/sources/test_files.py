import os
from pathlib import Path

import pytest

from crossmodal.errors import SourceError
from crossmodal.ingest.sources.files import read_file, read_inside


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "catalogue"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.jpg").write_bytes(b"abc")
    (folder / "sub" / "b c.jpg").write_bytes(b"bcd")
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (tmp_path / "catalogue-other").mkdir()
    (tmp_path / "catalogue-other" / "x.jpg").write_bytes(b"secret")
    return folder


@pytest.mark.parametrize(
    ("location", "data"),
    [
        ("a.jpg", b"abc"),
        ("./a.jpg", b"abc"),
        ("sub/b c.jpg", b"bcd"),
        ("sub\\b c.jpg", b"bcd"),
        ("sub/../a.jpg", b"abc"),
        ("../catalogue/a.jpg", b"abc"),
    ],
)
def test_files_inside_are_read(root: Path, location: str, data: bytes) -> None:
    assert read_inside(root, location, max_bytes=3) == data


@pytest.mark.parametrize(
    "location",
    [
        "../secret.jpg",
        "..\\secret.jpg",
        "sub/../../secret.jpg",
        "../catalogue-other/x.jpg",
        "/etc/passwd",
        "\\\\evil\\share",
        "C:\\Windows\\x.jpg",
        "c:x.jpg",
        "..",
        "nothing/../../secret.jpg",
    ],
)
def test_paths_that_lead_out_are_refused(root: Path, location: str) -> None:
    with pytest.raises(SourceError) as error:
        read_inside(root, location, max_bytes=100)
    assert error.value.code == "path_outside"
    assert error.value.remedy


def test_an_absolute_path_is_refused_even_when_it_leads_inside(root: Path) -> None:
    with pytest.raises(SourceError) as error:
        read_inside(root, str(root / "a.jpg"), max_bytes=100)
    assert error.value.code == "path_outside"


def test_links_are_followed_only_inside(root: Path) -> None:
    (root / "inside.jpg").symlink_to(root / "a.jpg")
    (root / "escape.jpg").symlink_to(root.parent / "secret.jpg")
    (root / "folder").symlink_to(root.parent)
    (root / "circle").symlink_to(root / "circle")
    assert read_inside(root, "inside.jpg", max_bytes=100) == b"abc"
    for location, code in (("escape.jpg", "path_outside"), ("folder/secret.jpg", "path_outside"), ("circle", "file_missing")):
        with pytest.raises(SourceError) as error:
            read_inside(root, location, max_bytes=100)
        assert error.value.code == code


def test_a_file_that_a_person_names_may_be_a_link(root: Path) -> None:
    (root / "mine.jpg").symlink_to(root.parent / "secret.jpg")
    (root / "circle").symlink_to(root / "circle")
    assert read_file(root / "mine.jpg", max_bytes=100) == (root.parent / "secret.jpg").read_bytes()
    for name in ("circle", "none.jpg", "sub"):
        with pytest.raises(SourceError):
            read_file(root / name, max_bytes=100)


def test_what_is_no_plain_file_is_refused_at_once(root: Path) -> None:
    os.mkfifo(root / "pipe.jpg")
    for location in ("pipe.jpg", "sub", "."):
        with pytest.raises(SourceError):
            read_inside(root, location, max_bytes=100)


@pytest.mark.parametrize("location", ["none.jpg", "a.jpg/x", "x" * 5000, "a\0b.jpg", "sub/none.jpg", "\ud800.jpg"])
def test_missing_and_impossible_names(root: Path, location: str) -> None:
    with pytest.raises(SourceError) as error:
        read_inside(root, location, max_bytes=100)
    assert error.value.code == "file_missing"


def test_a_file_over_the_size_is_refused(root: Path) -> None:
    with pytest.raises(SourceError) as error:
        read_inside(root, "a.jpg", max_bytes=2)
    assert error.value.code == "too_large"
