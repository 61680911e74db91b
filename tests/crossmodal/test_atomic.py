"""A path holds the former content or the new one, and no draft is left beside it."""

import os
from pathlib import Path

import pytest

from crossmodal.atomic import atomic_path, put_in_place, temporary_path, write_whole
from crossmodal.errors import QueryError, StoreError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_content_has_its_name_at_the_end_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "made" / "x"
    with atomic_path(path) as draft:
        draft.write_bytes(b"new")
        assert not path.exists()
        assert draft.parent == path.parent
    assert write_whole(path.with_name("y"), b"second", durable=True).read_bytes() == b"second"
    assert path.read_bytes() == b"new"
    assert names(path.parent) == ["x", "y"]


def test_an_error_keeps_the_former_content(tmp_path: Path) -> None:
    path = write_whole(tmp_path / "x", b"former")
    with pytest.raises(TypeError), atomic_path(path) as draft:
        draft.write_bytes("half")  # type: ignore[arg-type]
    assert path.read_bytes() == b"former"
    assert names(tmp_path) == ["x"]


def test_a_folder_replaces_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    with atomic_path(path) as draft:
        draft.mkdir()
        (draft / "x").write_bytes(b"new")
    assert names(path) == ["x"]
    with pytest.raises(StoreError), atomic_path(path) as draft:
        draft.mkdir()
    assert names(path) == ["x"]
    assert names(tmp_path) == ["folder"]


def test_what_gets_no_name_is_deleted(tmp_path: Path) -> None:
    with temporary_path(tmp_path) as draft:
        draft.write_bytes(b"unwanted")
    assert names(tmp_path) == []
    with temporary_path(tmp_path) as draft:
        draft.write_bytes(b"wanted")
        put_in_place(draft, tmp_path / "x")
    assert names(tmp_path) == ["x"]


def test_two_writers_of_one_process_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with atomic_path(path) as first:
        first.write_bytes(b"first")
        with atomic_path(path) as second:
            second.write_bytes(b"second")
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first"


def test_old_drafts_are_deleted_and_other_files_are_not(tmp_path: Path) -> None:
    old, young = (tmp_path / f".draft-{letter * 32}.part" for letter in "ab")
    (tmp_path / f".draft-{'c' * 32}.part").mkdir()
    others = [old, young, tmp_path / ".draft-mine.part", tmp_path / "model.part"]
    for path in others:
        path.write_bytes(b"")
    for path in (*others, tmp_path / f".draft-{'c' * 32}.part"):
        if path is not young:
            os.utime(path, (0, 0))
    with atomic_path(tmp_path / "x") as draft:
        draft.write_bytes(b"")
    assert names(tmp_path) == sorted([young.name, ".draft-mine.part", "model.part", "x"])


def test_a_draft_that_another_process_has_just_deleted_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "glob", lambda self, _: iter([self / f".draft-{'a' * 32}.part"]))
    with atomic_path(tmp_path / "x") as draft:
        draft.write_bytes(b"new")
    assert names(tmp_path) == ["x"]


def test_a_file_where_a_folder_is_needed_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError) as raised:
        write_whole(tmp_path / "file" / "x", b"new")
    assert raised.value.code == "read_only"


@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_that_appears_meanwhile_is_replaced_only_if_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    if not has_links:
        monkeypatch.setattr(os, "link", no_links)
    path = tmp_path / "out.csv"
    with atomic_path(path, replace=False) as draft:
        draft.write_bytes(b"new")
    assert path.read_bytes() == b"new"
    path.unlink()

    def write_beside_another() -> None:
        with atomic_path(path, replace=False) as draft:
            draft.write_bytes(b"new")
            path.write_bytes(b"of another process")

    with pytest.raises(QueryError, match="already exists"):
        write_beside_another()

    assert path.read_bytes() == b"of another process"
    with atomic_path(path) as draft:
        draft.write_bytes(b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]
