"""Collections of every format ever released open in this version; those of a later one are refused."""

import dataclasses
import os
import sqlite3
from pathlib import Path

import pytest

from benchmarks.made_up import MODEL_ID, made_up_item
from crossmodal.errors import StoreError
from crossmodal.store import Store, migrations, schema

FORMATS = Path(__file__).parent / "formats"


def of_format(version: int, folder: Path) -> Path:
    """A collection as this program wrote it in that format."""
    path = folder / "catalog.sqlite3"
    with sqlite3.connect(path) as db:
        db.executescript((FORMATS / f"version_{version}.sql").read_text(encoding="utf-8"))
    db.close()
    return path


def test_every_format_has_its_fixture() -> None:
    assert sorted(file.name for file in FORMATS.iterdir()) == [f"version_{n + 1}.sql" for n in range(len(migrations.MIGRATIONS))]


@pytest.mark.parametrize("version", range(1, len(migrations.MIGRATIONS) + 1))
def test_a_collection_of_an_older_format_opens_with_everything(tmp_path: Path, version: int) -> None:
    with Store(of_format(version, tmp_path)) as store:
        assert store.items.count() == 3
        for number in range(3):
            entry = made_up_item(number, embed_dim=8, picture_bytes=40)
            known = store.items.known([entry.key], model_id=MODEL_ID)[entry.key]
            item = known.item
            assert known.embedded
            assert (item.title, item.captions, dict(item.attributes)) == (entry.title, entry.captions, entry.attributes)
            assert (item.origin, item.held_out, item.content_hash) == (entry.origin, entry.held_out, entry.picture.content_hash)
            assert store.pictures.rendition(item.item_id) == entry.picture.rendition
            assert store.pictures.thumbnail(item.item_id) == entry.picture.thumbnail
            assert store.embeddings.get(item.item_id, MODEL_ID).tobytes() == entry.embedding.tobytes()
        assert [row.key for row in store.failures.all()] == ["failed"]
        assert store.sources.all()[0].name == "made up"
        assert store.changes.since(MODEL_ID).removed_ids.tolist() == [4]
        store.items.add(made_up_item(10, embed_dim=8), model_id=MODEL_ID)


def test_items_that_went_with_their_row_are_known_as_such_after_the_third_format(tmp_path: Path) -> None:
    path = of_format(2, tmp_path)
    with sqlite3.connect(path) as db:
        ids = [item_id for (item_id,) in db.execute("SELECT item_id FROM items WHERE removed_at IS NULL ORDER BY item_id")]
        db.execute("UPDATE items SET removed_at = 1.0 WHERE item_id IN (?, ?)", ids[:2])
        db.execute(
            "INSERT INTO meta VALUES ('vanished from made up', ?), ('vanished from b', 'no JSON')", (f"[{ids[0]}, {ids[2]}]",)
        )
    db.close()
    with Store(path) as store:
        known = [store.items.known([made_up_item(number).key])[made_up_item(number).key] for number in range(3)]
        assert [(each.removed, each.vanished) for each in known] == [(True, True), (True, False), (False, False)]
        assert store.meta.get("vanished from made up") is None


def test_each_item_has_its_row_after_the_fourth_format(tmp_path: Path) -> None:
    path = of_format(3, tmp_path)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE items SET title = 'by hand', edited = 1 WHERE key = 'made up 0'")
        db.execute("INSERT INTO refused VALUES ('purged', 'made up')")
    db.close()
    with Store(path) as store:
        items = store.items.page(9)
        for item in items:
            [row] = store.items.sources(item.item_id)
            assert (row.source, row.title, row.origin, row.captions) == (item.source, item.title, item.origin, item.captions)
            assert (row.attributes, row.held_out) == (item.attributes, item.held_out)
        assert store.items.refused(["purged"]) == {"purged"}
        entry = made_up_item(0, embed_dim=8, picture_bytes=40)
        assert store.items.known([entry.key])[entry.key].item.title == "by hand"
        store.items.add(entry, model_id=MODEL_ID)
        assert store.items.get(items[0].item_id).title == "by hand"
        assert store.items.sources(items[0].item_id)[0].title == entry.title, "the row has its own words again"
        other = dataclasses.replace(entry, key="table\n0", source="table", title="in the table")
        assert [item.item_id for item in store.items.add_many([other], model_id=MODEL_ID)] == [items[0].item_id]
        removed = made_up_item(3, embed_dim=8, picture_bytes=40)
        assert store.items.known([removed.key])[removed.key].removed


def test_a_later_format_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite3"
    Store(path).close()
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {len(migrations.MIGRATIONS) + 1}")
    db.close()
    before = path.read_bytes()
    with pytest.raises(StoreError) as raised:
        Store(path)
    assert raised.value.code == "store_too_new"
    assert path.read_bytes() == before


def migrate(path: Path, *scripts: str) -> None:
    db = sqlite3.connect(path, isolation_level=None)
    try:
        schema.prepare(db, path, migrations=(*migrations.MIGRATIONS, *scripts))
    finally:
        db.close()


def test_a_migration_keeps_a_copy_of_what_was(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite3"
    with Store(path) as store:
        store.items.add(made_up_item(1), model_id=MODEL_ID)
    migrate(path, "ALTER TABLE items ADD COLUMN colour TEXT;\nUPDATE items SET colour = 'red';")
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT colour FROM items").fetchall() == [("red",)]
        assert db.execute("PRAGMA user_version").fetchone() == (len(migrations.MIGRATIONS) + 1,)
    db.close()
    with Store(tmp_path / f"catalog.sqlite3.format{len(migrations.MIGRATIONS)}") as copy:
        assert copy.items.count() == 1


def test_a_failed_migration_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite3"
    with Store(path) as store:
        store.items.add(made_up_item(1), model_id=MODEL_ID)
    with pytest.raises(sqlite3.OperationalError):
        migrate(path, "DELETE FROM items;\nALTER TABLE no_such ADD COLUMN colour TEXT;")
    with Store(path) as store:
        assert store.items.count() == 1


@pytest.mark.parametrize("version", range(1, len(migrations.MIGRATIONS) + 1))
def test_the_format_is_read_without_a_trace(tmp_path: Path, version: int) -> None:
    path = of_format(version, tmp_path)
    before = path.read_bytes()
    assert schema.older_format(path) == (version if version < len(migrations.MIGRATIONS) else None)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == before


def test_the_format_of_a_collection_in_use_is_the_one_in_its_log(tmp_path: Path) -> None:
    path = of_format(1, tmp_path)
    with Store(path):  # the migration is in the log, not in the file yet
        assert schema.older_format(path) is None


@pytest.mark.parametrize(("content", "code"), [(b"no database at all" * 100, "index_corrupt"), (b"\0" * 4096, "index_corrupt")])
def test_the_format_of_what_is_no_collection_is_an_error(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "catalog.sqlite3"
    path.write_bytes(content)
    with pytest.raises(StoreError) as raised:
        schema.older_format(path)
    assert raised.value.code == code
    assert path.read_bytes() == content


def test_a_kill_while_the_copy_is_made_leaves_no_half_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `VACUUM INTO` wrote until then must not be taken for the copy by the next start."""
    path = of_format(1, tmp_path)
    copy = tmp_path / "catalog.sqlite3.format1"
    with monkeypatch.context() as patch:
        for name in ("replace", "unlink"):  # whatever a killed process would have done next, it did not
            patch.setattr(Path, name, killed)
        with pytest.raises(KeyboardInterrupt):
            Store(path)
    assert not copy.exists()
    [half] = tmp_path.glob("*.part")
    half.write_bytes(half.read_bytes()[:4096])
    with Store(path) as store:
        assert store.items.count() == 3
    assert schema.older_format(copy) == 1
    with sqlite3.connect(copy) as db:
        assert db.execute("SELECT COUNT(*) FROM items WHERE removed_at IS NULL").fetchone() == (3,)
    db.close()


def killed(*_args: object, **_names: object) -> None:
    raise KeyboardInterrupt


def test_the_copy_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append("fsync"), fsync(handle))[1])
    monkeypatch.setattr(Path, "replace", lambda self, target: (done.append("replace"), replace(self, target))[1])
    Store(of_format(1, tmp_path)).close()
    assert done[:2] == ["fsync", "replace"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["catalog.sqlite3", "catalog.sqlite3.format1"]


def test_each_migration_is_applied_once(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite3"
    Store(path).close()
    script = "INSERT INTO meta VALUES ('a', 'b');"
    migrate(path, script)
    migrate(path, script)
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT COUNT(*) FROM meta WHERE key = 'a'").fetchone() == (1,)
    db.close()
