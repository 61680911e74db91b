"""A file that is not a sound collection is refused, named, and left exactly as it was."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.made_up import MODEL_ID, made_up_item
from crossmodal.errors import StoreError
from crossmodal.store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A collection of some pages, closed."""
    path = tmp_path / "catalog.sqlite3"
    with Store(path) as store:
        store.items.add_many([made_up_item(number) for number in range(60)], model_id=MODEL_ID)
    return path


def refused(path: Path) -> StoreError:
    with pytest.raises(StoreError) as raised:
        Store(path)
    return raised.value


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "half of it": lambda data: data[: len(data) // 2 + 100],
    "one page short": lambda data: data[:-4096],
    "header zeroed": lambda data: bytes(100) + data[100:],
    "all zeroed": lambda data: bytes(len(data)),
    "a page of garbage": lambda data: data[:8192] + bytes(range(256)) * 16 + data[12288:],
    "text": lambda data: b"title,imgUrl\n" * 100,
    "a few bytes": lambda data: b"SQLite",
    "only the header": lambda data: data[:100],
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_file_is_refused_and_left_alone(path: Path, name: str) -> None:
    damaged = DAMAGES[name](path.read_bytes())
    path.write_bytes(damaged)
    error = refused(path)
    assert error.code == "index_corrupt"
    assert str(path) in str(error)
    assert "Nothing was deleted" in error.remedy
    assert path.read_bytes() == damaged


def test_garbage_in_any_page_never_ends_in_a_traceback(path: Path) -> None:
    """Each page of a small collection in turn: refused at the start, or told by a checksum, or harmless."""
    sound = path.read_bytes()
    codes = []
    for start in range(0, len(sound), 4096 * 5):
        path.write_bytes(sound[:start] + b"\xa5" * 4096 + sound[start + 4096 :])
        codes.append(code_of_reading_everything(path))
    assert set(codes) <= {"", "index_corrupt"}
    assert codes.count("index_corrupt") > 10


def code_of_reading_everything(path: Path) -> str:
    try:
        with Store(path) as store:
            store.changes.since(MODEL_ID)
            for item, _ in store.pictures.samples():
                store.pictures.thumbnail(item.item_id)
            return "" if store.items.count() == 60 else "items are missing without a word"
    except StoreError as error:
        return error.code


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE items (id TEXT PRIMARY KEY, title TEXT, vec BLOB)")
    db.close()
    before = path.read_bytes()
    error = refused(path)
    assert (error.code, path.read_bytes()) == ("index_corrupt", before)
    assert "another program" in str(error)


def test_an_emptied_file_is_not_taken_for_a_new_collection(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite3"
    path.touch()
    error = refused(path)
    assert error.code == "index_corrupt"
    assert "delete the empty file" in error.remedy


def test_making_a_collection_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite3"
    Store(path).close()
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_disk_without_second_names_is_good_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", no_links)
    path = tmp_path / "catalog.sqlite3"
    Store(path).close()
    with Store(path) as store:
        assert store.items.count() == 0
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_faster_process_is_not_replaced_where_there_are_no_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, faster = tmp_path / "catalog.sqlite3", tmp_path / "faster" / "catalog.sqlite3"
    with Store(faster) as store:
        uuid = store.store_uuid

    def no_links(*_: object) -> None:
        faster.replace(path)
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", no_links)
    with Store(path) as opened:
        assert opened.store_uuid == uuid


def test_a_copy_without_a_log_gets_one_again(path: Path) -> None:
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    db.close()
    with Store(path) as store, store._database.reading() as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_an_emptied_file_beside_its_log_is_refused(tmp_path: Path) -> None:
    """SQLite itself would delete the log, and with it the items that were not yet folded in."""
    path = tmp_path / "catalog.sqlite3"
    log = tmp_path / "catalog.sqlite3-wal"
    with Store(path) as store:
        store.items.add(made_up_item(1), model_id=MODEL_ID)
        kept = log.read_bytes()
    for leave in (path.unlink, path.touch):
        leave()
        log.write_bytes(kept)
        error = refused(path)
        assert error.code == "index_corrupt"
        assert log.read_bytes() == kept


def test_the_log_of_a_killed_process_is_taken_in(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite3"
    with Store(path) as store:
        store.items.add(made_up_item(1), model_id=MODEL_ID)
        copy = tmp_path / "copy.sqlite3"
        copy.write_bytes(path.read_bytes())
        (tmp_path / "copy.sqlite3-wal").write_bytes((tmp_path / "catalog.sqlite3-wal").read_bytes())
    with Store(copy) as store:
        assert store.items.count() == 1


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError) as raised:
        Store(tmp_path / "file" / "catalog.sqlite3")
    assert raised.value.code == "index_missing"
    (tmp_path / "catalog.sqlite3").mkdir()
    with pytest.raises(StoreError):
        Store(tmp_path / "catalog.sqlite3")


def test_a_large_file_is_checked_but_for_what_carries_checksums(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossmodal.store.schema._CHEAP_CHECK_BYTES", 0)
    Store(path).close()
    with sqlite3.connect(path) as db:
        (root,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'items'").fetchone()
    db.close()
    data = bytearray(path.read_bytes())
    data[(root - 1) * 4096 : root * 4096] = b"\xa5" * 4096
    path.write_bytes(data)
    assert refused(path).code == "index_corrupt"
