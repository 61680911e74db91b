"""A collection in a place that must not be written: it is read, and a write says why it cannot be."""

import ctypes
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.made_up import MODEL_ID, made_up_item
from crossmodal.errors import StoreError
from crossmodal.store import Store, schema
from tests.crossmodal.store.test_schema import of_format

READER = """
import sys
from pathlib import Path
from benchmarks.made_up import MODEL_ID, made_up_item
from crossmodal.errors import StoreError
from crossmodal.store import Store
with Store(Path(sys.argv[1])) as store:
    texts = store.texts.missing(MODEL_ID, 9)
    print(store.read_only, store.items.count(), store.changes.since(MODEL_ID).item_ids.tolist(), len(texts) > 0, store.version() > 0)
    for write in (lambda: store.items.add(made_up_item(9), model_id=MODEL_ID), lambda: store.items.remove([1])):
        try:
            write()
        except StoreError as error:
            print(error.code, error)
"""
READ = "True 2 [1, 2] True True"
_CAPABILITIES_OVER_PERMISSIONS = (1, 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
_PR_CAPBSET_DROP = 24


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with a collection of two items; made writable again at the end."""
    made = tmp_path / "collection"
    with Store(made / "catalog.sqlite3") as store:
        store.items.add_many([made_up_item(1), made_up_item(2)], model_id=MODEL_ID)
    yield made
    made.chmod(0o755)


def bound_by_permissions() -> None:
    """In the child, before the program starts: permissions bind the superuser as well."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None)
        for capability in _CAPABILITIES_OVER_PERMISSIONS:
            if libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0):
                os._exit(77)


def read_in_child(path: Path) -> list[str]:
    if sys.platform != "linux" and (os.name != "posix" or os.geteuid() == 0):
        pytest.skip("permissions do not bind this user")
    done = subprocess.run(
        [sys.executable, "-c", READER, str(path)], capture_output=True, text=True, preexec_fn=bound_by_permissions, check=False
    )
    if done.returncode == 77:
        pytest.skip("the superuser cannot give up its capabilities here")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("file_too", [True, False], ids=["file and folder", "folder alone"])
def test_a_read_only_collection_is_read_and_refuses_to_be_written(folder: Path, file_too: bool) -> None:
    path = folder / "catalog.sqlite3"
    if file_too:
        path.chmod(0o444)
    folder.chmod(0o555)
    first, *refusals = read_in_child(path)
    assert first == READ
    assert refusals == [f"read_only The collection {path} is read-only."] * 2
    assert [file.name for file in folder.iterdir()] == [path.name]


def test_a_read_only_file_in_a_folder_that_can_be_written(folder: Path) -> None:
    path = folder / "catalog.sqlite3"
    path.chmod(0o444)
    first, *refusals = read_in_child(path)
    assert first == READ
    assert [line.split()[0] for line in refusals] == ["read_only"] * 2


def test_what_another_process_has_not_yet_folded_into_the_file_is_read_too(folder: Path) -> None:
    path = folder / "catalog.sqlite3"
    with Store(path) as writer:
        writer.items.remove([1])
        assert (folder / "catalog.sqlite3-wal").stat().st_size
        folder.chmod(0o555)
        for file in folder.iterdir():
            file.chmod(0o444)
        first, *_ = read_in_child(path)
        assert first == "True 1 [2] True True"


def test_a_log_that_cannot_be_read_is_not_passed_over(folder: Path, tmp_path: Path) -> None:
    """Without its index a log in a read-only place is out of reach, and the file alone is an older state."""
    copy = tmp_path / "copy"
    copy.mkdir()
    with Store(folder / "catalog.sqlite3") as writer:
        writer.items.remove([1])
        for name in ("catalog.sqlite3", "catalog.sqlite3-wal"):
            shutil.copy(folder / name, copy / name)
    copy.chmod(0o555)
    with pytest.raises(AssertionError, match="cannot be written"):
        read_in_child(copy / "catalog.sqlite3")
    copy.chmod(0o755)


def test_a_file_of_an_older_format_must_be_brought_up_to_date_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = of_format(1, tmp_path)
    before = path.read_bytes()
    monkeypatch.setattr(schema, "_open_to_write", refuses)
    with pytest.raises(StoreError, match="older format 1") as error:
        Store(path)
    assert error.value.code == "read_only"
    assert path.read_bytes() == before


def test_a_file_that_can_be_opened_in_no_way_keeps_its_first_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(*_: object, **__: object) -> object:
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(schema, "_open_to_write", refuses)
    monkeypatch.setattr(schema, "connect", cannot)
    with pytest.raises(StoreError, match="a read-only disk"):
        Store(folder / "catalog.sqlite3")


def refuses(path: Path, **options: object) -> None:
    raise StoreError("read_only", f"{path} is on a read-only disk.", remedy="Copy it.")
