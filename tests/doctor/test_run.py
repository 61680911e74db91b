"""Broken installations: each fault is named with its cure, nothing is changed by looking, and the cure cures."""

import hashlib
import shutil
from pathlib import Path

import pytest

from config import Settings
from crossmodal.progress import ignore_progress
from crossmodal.store import Store
from doctor.repair import repair_collection
from tests.crossmodal.store.test_schema import of_format
from tests.doctor.broken import BREAKS, examined, findings_of

pytestmark = pytest.mark.slow


def digests(folder: Path) -> dict[str, str]:
    """Of every file that is not SQLite's own scratch."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.endswith(("-wal", "-shm"))]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def settings_of(folder: Path) -> Settings:
    return Settings(
        data_dir=folder,
        dataset_dir=folder / "dataset",
        model_path=folder / "trained_model.pth",
        download_weights=False,
        demo_items=100,
        embed_dim=32,
        vocab_size=512,
        image_px=32,
        max_epochs=1,
        decode_workers=1,
    )


def test_a_healthy_installation_has_no_fault_and_stays_as_it_is(healthy_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(healthy_folder, tmp_path / "here"))
    before = digests(folder)
    assert examined(folder) == {}
    assert digests(folder) == before


@pytest.mark.parametrize("name", BREAKS)
def test_the_fault_is_named_with_its_cure(healthy_folder: Path, tmp_path: Path, name: str) -> None:
    broken = BREAKS[name]
    folder = broken.of(healthy_folder, tmp_path / "here")
    before = digests(folder)
    found = examined(folder)
    assert broken.code in found
    assert broken.cure in found[broken.code]
    assert digests(folder) == before


@pytest.mark.parametrize("name", ["identical rows", "changed model", "nan", "words", "cache"])
def test_mending_mends(healthy_folder: Path, tmp_path: Path, name: str) -> None:
    folder = BREAKS[name].of(healthy_folder, tmp_path / "here")
    said = repair_collection(settings_of(folder), ignore_progress)
    assert "recomputed" in said
    assert examined(folder) == {}


def test_mending_makes_a_model_where_there_is_none(healthy_folder: Path, tmp_path: Path) -> None:
    folder = BREAKS["refused model"].of(healthy_folder, tmp_path / "here")
    repair_collection(settings_of(folder), ignore_progress)
    # One epoch on a hundred pictures may collapse; what counts is that the collection belongs to the new model.
    assert set(examined(folder)) <= {"identical_rows"}


def test_mending_a_healthy_collection_changes_no_embedding(healthy_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(healthy_folder, tmp_path / "here"))
    assert repair_collection(settings_of(folder), ignore_progress).startswith("0 embeddings recomputed, 20 were good.")


def test_a_store_of_an_older_format_is_named_and_left_as_it_is(healthy_folder: Path, tmp_path: Path) -> None:
    shutil.copy(healthy_folder / "trained_model.pth", tmp_path)
    of_format(1, tmp_path)
    before, names = digests(tmp_path), sorted(path.name for path in tmp_path.iterdir())
    assert examined(tmp_path) == {"older_format": "python cli.py list"}
    assert digests(tmp_path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    Store(tmp_path / "catalog.sqlite3").close()  # what the cure does first
    assert "older_format" not in examined(tmp_path)


def test_where_nothing_is_yet_there_is_no_fault(tmp_path: Path) -> None:
    assert examined(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_a_sign_that_stands_for_many_things_is_noticed(healthy_folder: Path, tmp_path: Path) -> None:
    from engine.models.loading import load_model
    from tests.app_parts import csv_source, make_live_app, png

    folder = Path(shutil.copytree(healthy_folder, tmp_path / "here"))
    sign = png("black", "bar", 77)
    table = csv_source(tmp_path / "shop", {f"{n}.png": (f"thing number {n}", sign) for n in range(6)})
    live = make_live_app(folder, load_model(folder / "trained_model.pth"))
    live.tasks.index(str(table), ignore_progress)
    live.close()
    assert examined(folder)["placeholder_pictures"] == "python cli.py remove 21 22 23 24 25 26"


def test_a_damaged_store_is_begun_anew_from_its_own_catalogues(healthy_folder: Path, tmp_path: Path) -> None:
    """The damage lies where the catalogues do not; what was added by hand is in none of them."""
    from engine.models.loading import load_model
    from tests.app_parts import csv_source, make_live_app, things

    folder = Path(shutil.copytree(healthy_folder, tmp_path / "here"))
    mine = csv_source(tmp_path / "my pictures", things(3))
    live = make_live_app(folder, load_model(folder / "trained_model.pth"))
    live.tasks.index(str(mine), ignore_progress)
    live.close()
    store = folder / "catalog.sqlite3"
    data = bytearray(store.read_bytes())
    data[-4096 * 6 : -4096] = b"\xa5" * (4096 * 5)
    store.write_bytes(bytes(data))
    found = findings_of(folder)["store_damaged"]
    assert found.cure == f"mv {folder} {folder}.damaged && python cli.py index '{mine}'"
    assert "docs/deployment.md, Backups" in found.what
    assert "20 pictures added by hand must be added again." in found.what


def test_a_store_of_a_newer_program_is_not_moved_away(healthy_folder: Path, tmp_path: Path) -> None:
    import sqlite3

    folder = Path(shutil.copytree(healthy_folder, tmp_path / "here"))
    with sqlite3.connect(folder / "catalog.sqlite3") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    found = findings_of(folder)
    assert found["store_too_new"].cure == "Start the newer version of the program that wrote it."
    assert not any("mv " in each.cure for each in found.values())


def test_many_ids_go_through_a_pipe(healthy_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = BREAKS["placeholders"].of(healthy_folder, tmp_path / "here")
    monkeypatch.setattr("doctor.store._MOST_ON_A_LINE", 2)
    found = findings_of(folder)["placeholder_pictures"]
    assert found.cure == "python cli.py doctor --ids placeholder_pictures | python cli.py remove -"
    assert found.item_ids == (21, 22, 23)
