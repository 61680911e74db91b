"""Many readers, one writer, and what is said when writing is not possible."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.made_up import MODEL_ID, made_up_item
from crossmodal.errors import BusyError, QueryError, StoreError
from crossmodal.store import Store
from crossmodal.store.database import Database, translated


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "catalog.sqlite3"
    with Store(path) as store:
        store.items.add(made_up_item(1), model_id=MODEL_ID)
    return path


@pytest.fixture
def connections(path: Path) -> Iterator[Database]:
    opened = Database(path, wait_s=0.2, min_free_bytes=0)
    yield opened
    opened.close()


def count(connections: Database) -> int:
    with connections.reading() as db:
        return int(db.execute("SELECT COUNT(*) FROM meta").fetchone()[0])


def test_every_commit_is_on_the_disk_before_it_is_acknowledged(connections: Database) -> None:
    with connections.writing() as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA synchronous").fetchone() == (2,)
        assert db.execute("PRAGMA foreign_keys").fetchone() == (1,)


def test_a_reader_sees_one_moment(connections: Database) -> None:
    before = count(connections)
    with connections.reading() as reader:
        assert reader.execute("SELECT COUNT(*) FROM meta").fetchone() == (before,)
        with connections.writing() as writer:
            writer.execute("INSERT INTO meta VALUES ('a', 'b')")
        assert reader.execute("SELECT COUNT(*) FROM meta").fetchone() == (before,)
    assert count(connections) == before + 1


def test_a_failed_block_is_undone(connections: Database) -> None:
    before = count(connections)

    def fail_half_way() -> None:
        with connections.writing() as db:
            db.execute("INSERT INTO meta VALUES ('a', 'b')")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert count(connections) == before
    with connections.writing() as db:
        db.execute("INSERT INTO meta VALUES ('a', 'b')")
    assert count(connections) == before + 1


def test_readers_do_not_wait_for_a_writer(connections: Database) -> None:
    with connections.writing() as db:
        db.execute("INSERT INTO meta VALUES ('a', 'b')")
        before = count(connections)
    assert count(connections) == before + 1


def test_a_reader_that_failed_can_read_again(connections: Database) -> None:
    with pytest.raises(QueryError), connections.reading():
        raise QueryError("not_found", "There is nothing.")
    assert count(connections) > 0


def test_a_second_writer_of_this_process_waits_and_then_says_so(connections: Database) -> None:
    done = threading.Event()

    def write() -> None:
        with connections.writing():
            done.wait(10)

    thread = threading.Thread(target=write)
    thread.start()
    while not connections._lock.locked():
        pass
    with pytest.raises(BusyError) as raised, connections.writing():
        pass
    done.set()
    thread.join()
    assert raised.value.code == "busy"


def test_a_writer_of_another_process_is_waited_for_and_then_told(connections: Database, path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(BusyError) as raised, connections.writing():
        pass
    assert raised.value.code == "busy"
    other.execute("ROLLBACK")
    other.close()
    with connections.writing() as db:
        db.execute("INSERT INTO meta VALUES ('a', 'b')")


def test_a_nearly_full_disk_is_refused_before_anything_is_written(path: Path) -> None:
    with Store(path, min_free_bytes=2**62) as store:
        with pytest.raises(StoreError) as raised:
            store.items.add(made_up_item(2), model_id=MODEL_ID)
        assert raised.value.code == "disk_full"
        assert store.items.count() == 1, "reading goes on"


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_was_taken_away_takes_no_more_items(path: Path, replaced: bool) -> None:
    """SQLite would go on writing into the file that has no name any more, and acknowledge what nobody will find."""
    with Store(path) as store:
        path.rename(path.with_name("elsewhere"))
        if replaced:
            path.touch()
        with pytest.raises(StoreError) as raised:
            store.items.add(made_up_item(2), model_id=MODEL_ID)
        assert raised.value.code == "index_missing"
        path.unlink(missing_ok=True)
        path.with_name("elsewhere").rename(path)
        store.items.add(made_up_item(2), model_id=MODEL_ID)
        assert store.items.count() == 2


@pytest.mark.parametrize(
    ("sqlite_code", "code"),
    [
        (sqlite3.SQLITE_BUSY, "busy"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, "busy"),
        (sqlite3.SQLITE_FULL, "disk_full"),
        (sqlite3.SQLITE_IOERR_WRITE, "disk_full"),
        (sqlite3.SQLITE_IOERR_FSYNC, "disk_full"),
        (sqlite3.SQLITE_IOERR_SHMSIZE, "disk_full"),
        (sqlite3.SQLITE_READONLY, "read_only"),
        (sqlite3.SQLITE_CANTOPEN, "read_only"),
        (sqlite3.SQLITE_IOERR_READ, "index_corrupt"),
        (sqlite3.SQLITE_CORRUPT, "index_corrupt"),
        (sqlite3.SQLITE_NOTADB, "index_corrupt"),
    ],
)
def test_what_sqlite_says_becomes_one_of_our_codes(tmp_path: Path, sqlite_code: int, code: str) -> None:
    error = sqlite3.OperationalError("the reason")
    error.sqlite_errorcode = sqlite_code
    with pytest.raises((StoreError, BusyError)) as raised, translated(tmp_path / "catalog.sqlite3"):
        raise error
    assert raised.value.code == code
    assert "catalog.sqlite3" in str(raised.value)
    assert raised.value.remedy


@pytest.mark.parametrize(
    ("error", "code"), [(28, "disk_full"), (27, "disk_full"), (13, "read_only"), (30, "read_only"), (2, "index_missing")]
)
def test_what_the_file_system_says_becomes_one_of_our_codes(tmp_path: Path, error: int, code: str) -> None:
    with pytest.raises(StoreError) as raised, translated(tmp_path):
        raise OSError(error, "the reason")
    assert raised.value.code == code


def test_a_closed_file_says_that_it_was_closed_whatever_is_asked(connections: Database) -> None:
    """A job that goes on while the program ends must not send anybody looking for damage."""
    connections.close()
    with pytest.raises(StoreError, match="was closed") as asked, connections.writing():
        pass
    assert asked.value.code == "index_missing"
    for ask in (connections.version, lambda: count(connections)):
        with pytest.raises(StoreError, match="was closed") as asked:
            ask()
        assert asked.value.code == "index_missing"


@pytest.mark.parametrize("kind", [sqlite3.ProgrammingError, sqlite3.InterfaceError])
def test_a_mistake_of_ours_is_never_called_damage(tmp_path: Path, kind: type[sqlite3.Error]) -> None:
    with pytest.raises(StoreError) as raised, translated(tmp_path / "catalog.sqlite3"):
        raise kind("Cannot operate on a closed database.")
    assert raised.value.code == "internal"
    assert "damaged" not in raised.value.sentence
    assert raised.value.remedy


def test_text_that_is_no_text_is_damage_though_sqlite_gives_it_no_number(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as raised, translated(tmp_path / "catalog.sqlite3"):
        sqlite3.connect(":memory:").execute("SELECT CAST(x'ff' AS TEXT)").fetchone()
    assert raised.value.code == "index_corrupt"


def test_a_question_without_an_answer_does_not_cost_a_connection(connections: Database) -> None:
    with connections.reading() as first:
        pass
    with pytest.raises(QueryError), connections.reading() as second:
        raise QueryError("not_found", "There is nothing.")
    with connections.reading() as third:
        assert first is second is third
        assert third.in_transaction
    with pytest.raises(ZeroDivisionError), connections.reading():
        raise ZeroDivisionError
    assert count(connections) > 0
