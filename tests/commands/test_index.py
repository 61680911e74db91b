"""`index`: bringing in, bringing in again, and what it says of failures."""

import shutil
from pathlib import Path

import pytest

from tests.app_parts import csv_source, png, things
from tests.commands.shell import Shell


def pictures(folder: Path, n: int = 4, *, seed: int = 7) -> Path:
    csv_source(folder, things(n, seed=seed)).unlink()
    return folder


def test_a_folder_is_indexed_and_the_second_time_nothing_is_new(empty_shell: Shell) -> None:
    folder = pictures(empty_shell.folder / "mine")
    assert empty_shell.lines("index", folder) == [["4 pictures indexed, 0 unchanged, 0 failed."]]
    assert empty_shell.lines("index", folder) == [["0 pictures indexed, 4 unchanged, 0 failed."]]
    assert len(empty_shell.lines("list")) == 4


def test_without_a_location_every_known_catalogue_is_read_again(shell: Shell) -> None:
    folder = pictures(shell.folder / "mine")
    shell("index", folder)
    (folder / "new.png").write_bytes(png("black", "bar", 5))
    said = [row[0] for row in shell.lines("index")]
    assert said == ["0 pictures indexed, 12 unchanged, 0 failed.", "1 picture indexed, 4 unchanged, 0 failed."]


@pytest.mark.slow
def test_a_catalogue_that_is_away_does_not_keep_the_others_back(shell: Shell) -> None:
    away, there = pictures(shell.folder / "away"), pictures(shell.folder / "there", seed=8)
    for folder in (away, there):
        shell("index", folder)
    shutil.move(away, shell.folder / "elsewhere")
    (there / "new.png").write_bytes(png("black", "bar", 5))
    result = shell("index")
    assert result.exit_code == 3
    assert result.stdout.splitlines() == [
        "0 pictures indexed, 12 unchanged, 0 failed.",
        "1 picture indexed, 4 unchanged, 0 failed.",
    ]
    assert f"Error: {away}: There is nothing at" in result.stderr
    assert len(shell.lines("list", "-n", 99)) == 21  # what is away stays in the collection


@pytest.mark.slow
def test_what_cannot_be_read_is_listed_and_tried_again(shell: Shell) -> None:
    folder = pictures(shell.folder / "mine", 2)
    (folder / "bad.png").write_bytes(b"no picture")
    result = shell("index", folder)
    assert result.exit_code == 0
    assert "1 row was not indexed" in result.stderr
    [row] = shell.lines("failed")
    assert row[0] == "not_an_image"
    assert row[1] == "bad.png"
    assert shell.json("failed")["failed"][0]["attempts"] == 1
    (folder / "bad.png").write_bytes(png("red", "bar", 3))
    assert shell.lines("failed", "--retry") == [["1 of 1 failed rows are in the collection now."]]
    assert shell.lines("failed") == []


@pytest.mark.slow
def test_a_renamed_picture_leaves_under_its_old_name(shell: Shell) -> None:
    folder = pictures(shell.folder / "mine", 2)
    shell("index", folder)
    (folder / "000.png").rename(folder / "red-disc-of-mine.png")
    shell("index", folder)
    mine = [item for item in shell.json("list", "-n", 100)["items"] if item["catalogue"] == str(folder)]
    assert sorted(item["source"] for item in mine) == ["001.png", "red-disc-of-mine.png"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_is_indexed_where_it_lies(shell: Shell, kind: str) -> None:
    folder = pictures(shell.folder / "packed")
    archive = shutil.make_archive(str(shell.folder / "things"), kind, folder)
    assert shell.lines("index", archive) == [["4 pictures indexed, 0 unchanged, 0 failed."]]
    assert {item["catalogue"] for item in shell.json("list", "-n", 99)["items"]} >= {archive}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nosuch"], 3, "nothing at"),
        (["--watch"], 2, "folder"),
        (["x", "--repair"], 2, "location"),
        (["x", "--mend"], 2, "location"),
        (["x", "--fix"], 2, "location"),
        (["https://shop.example/c.csv"], 3, "not a path"),
    ],
)
def test_what_cannot_be_indexed_is_one_sentence(shell: Shell, words: list[str], code: int, said: str) -> None:
    result = shell("index", *words)
    assert result.exit_code == code, result.output
    assert said in result.stderr


def test_an_impossible_setting_is_named(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSMODAL_EMBED_DIM", "many")
    result = shell("index")
    assert result.exit_code == 2
    assert "CROSSMODAL_EMBED_DIM cannot be 'many'" in result.stderr


def test_a_misspelt_setting_is_one_sentence(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSMODAL_MAX_TOPK", "5")
    for command in ("index", "list", "serve", "page"):
        result = shell(command)
        assert result.exit_code == 2
        assert result.stderr == (
            "Error: There is no setting CROSSMODAL_MAX_TOPK. The nearest is CROSSMODAL_MAX_TOP_K. "
            "Correct it in the environment or in .env.\n"
        )


@pytest.mark.slow
def test_a_catalogue_of_which_nothing_could_be_read_ends_with_one(shell: Shell) -> None:
    table = shell.folder / "mine" / "mine.csv"
    table.parent.mkdir()
    table.write_text("title,image\na mug,none.png\na cup,no.png\n")
    result = shell("index", table)
    assert result.exit_code == 1
    assert result.stdout == "0 pictures indexed, 0 unchanged, 2 failed.\n"
    assert "2 rows were not indexed: python cli.py failed" in result.stderr
    assert len(shell.lines("list", "-n", 99)) == 12
    other = shell("index", pictures(shell.folder / "other"))
    assert (other.exit_code, other.stderr) == (0, "")  # those rows are not of this folder


def test_what_the_answer_says_is_said_once(shell: Shell) -> None:
    said = shell("index", pictures(shell.folder / "mine"))
    assert said.stderr == ""
    assert said.stdout.startswith("4 pictures indexed")


def test_an_emptied_folder_keeps_its_pictures_and_the_way_out_is_named(shell: Shell) -> None:
    folder = pictures(shell.folder / "mine", 3)
    shell("index", folder)
    for path in folder.iterdir():
        path.unlink()
    result = shell("index", folder)
    assert result.exit_code == 4
    assert "stays in the collection: 3 pictures. Perhaps a disk is away." in result.stderr
    assert f"python cli.py remove --catalogue {folder}" in result.stderr
    assert len(shell.lines("list", "-n", 99)) == 15


@pytest.mark.slow
def test_older_names_of_an_option_are_not_offered(shell: Shell) -> None:
    shown = shell("index", "--help").stdout
    assert "--repair" in shown
    assert not [name for name in ("--mend", "--fix") if name in shown]


def test_a_collection_that_the_shell_began_says_which_model_it_is_searched_with(empty_shell: Shell) -> None:
    from crossmodal.store import Store
    from crossmodal.store.models import ACTIVE_MODEL

    empty_shell.lines("index", pictures(empty_shell.folder / "mine"))
    store_path = empty_shell.folder / "data" / "catalog.sqlite3"
    with Store(store_path) as store:
        [model_id] = store.models.counts()
        assert store.models.active() == model_id
        store.meta.set(ACTIVE_MODEL, "another")
    empty_shell.lines("index", "--repair")
    with Store(store_path) as store:
        assert store.models.active() == model_id
