"""`add`, `list` and `remove`: single items, with what is said of each."""

import json
import os
from pathlib import Path

import pytest

from tests.app_parts import png
from tests.commands.shell import Shell


@pytest.mark.slow
def test_what_is_added_is_listed_found_and_removed(shell: Shell) -> None:
    path = shell.picture("my-red-disc.png")
    [[item_id, state, title]] = shell.lines("add", path, "-a", "shelf=3")
    assert (state, title) == ("added", "my red disc")
    assert shell.lines("add", path) == [[item_id, "known", "my red disc"]]
    [row] = shell.lines("list", "--where", "shelf=3")
    assert row[0] == item_id
    assert row[3] == "shelf=3"
    assert item_id in [row[2] for row in shell.lines("search", "my red disc", "-k", 50)]
    assert f"The collection has this very picture: item {item_id}." in shell("search", path).stderr
    assert shell.lines("remove", item_id) == [[item_id, "removed"]]
    assert shell.lines("list", "--where", "shelf=3", code=1) == []
    assert shell.lines("remove", "--undo", item_id) == [[item_id, "restored"]]
    assert len(shell.lines("list", "-w", "shelf=3")) == 1


def test_a_bad_picture_does_not_keep_the_others_out(shell: Shell) -> None:
    bad = shell.folder / "bad.png"
    bad.write_bytes(b"x")
    result = shell("add", bad, shell.folder / "missing.png", shell.picture("good.png"), "--title", "good one")
    assert result.exit_code == 3  # the last error's
    assert result.stdout.split("\t")[1:] == ["added", "good one\n"]
    assert result.stderr.count("Error: ") == 2


def test_a_picture_from_the_standard_input(shell: Shell) -> None:
    result = shell("add", "-", "--title", "piped", stdin=png("black", "disc", 77))
    assert result.stdout.endswith("\tadded\tpiped\n")


def test_pages_of_a_list(shell: Shell) -> None:
    first = shell.json("list", "-n", 5)
    assert [item["item_id"] for item in first["items"]] == ["1", "2", "3", "4", "5"]
    assert first["next_after"] == "5"
    assert first["total"] == 12
    last = shell.json("list", "-n", 100, "--after", int(first["next_after"]) + 5)
    assert [item["item_id"] for item in last["items"]] == ["11", "12"]
    assert last["next_after"] is None


def test_catalogues_and_attributes(shell: Shell) -> None:
    [row] = shell.lines("list", "--catalogues")
    assert row[1:5] == ["csv", "12", "0", "yes"]
    shell.lines("add", shell.picture("x.png"), "-a", "size=small")
    assert shell.lines("list", "--attributes") == [["size", "small", "1"]]
    assert shell.json("list", "--attributes") == {"attributes": {"size": {"small": 1}}}
    assert shell("list", "--attributes", "--catalogues").exit_code == 2


def test_ids_that_are_not_there_and_words_that_are_no_ids(shell: Shell) -> None:
    result = shell("remove", "1", "99")
    assert result.exit_code == 3
    assert result.stdout == "1\tremoved\n"
    assert "no item 99" in result.stderr
    for word in ("one", "0", "1.5", "9" * 30, "²"):
        assert shell("remove", word).exit_code == 2
    assert shell("remove").exit_code == 2
    assert shell("remove", "-", stdin=b"2 3\n").stdout == "2\tremoved\n3\tremoved\n"


def test_a_catalogue_goes_as_a_whole(shell: Shell) -> None:
    [row] = shell.lines("list", "--catalogues")
    assert shell("remove", "--catalogue", "nosuch").exit_code == 3
    unasked = shell("remove", "--catalogue", row[0])
    assert unasked.exit_code == 2
    assert "--yes" in unasked.stderr
    assert len(shell.lines("list")) == 12
    assert shell.lines("remove", "--catalogue", row[0], "--yes") == [["catalogue", row[0], "12", "removed"]]
    assert shell.lines("list", code=1) == []


def test_what_was_added_by_hand_is_listed_and_removed_as_a_catalogue(shell: Shell) -> None:
    for number in range(2):
        shell.lines("add", shell.picture(f"{number}.png", seed=800 + number))
    assert shell.lines("list", "--catalogues")[1] == ["added", "by hand", "2", "0", "yes", ""]
    assert shell.lines("remove", "--catalogue", "added", "--yes") == [["catalogue", "added", "2", "removed"]]
    assert len(shell.lines("list")) == 12
    assert shell("remove", "--catalogue", "added", "--yes").exit_code == 3


@pytest.mark.slow
def test_a_known_picture_keeps_what_it_has_and_gets_further_words(shell: Shell) -> None:
    path = shell.picture("mine.png")
    [[item_id, *_]] = shell.lines("add", path, "--title", "My disc", "-a", "shelf=3")
    assert shell("add", path).stderr == ""
    assert shell("add", path, "--title", "My disc", "-a", "shelf=3").stderr == ""
    for wish in (("--title", "Other"), ("-a", "shelf=4"), ("--caption", "a disc"), ("-a", "room=hall")):
        result = shell("add", path, *wish)
        assert result.exit_code == 0
        assert result.stdout == f"{item_id}\tknown\tMy disc\n"
        kept = wish[1] in ("Other", "shelf=4")
        assert (f"To change them: python cli.py edit {item_id}" in result.stderr) == kept
    [item] = json.loads(shell("list", "--where", "shelf=3", "--json").stdout)["items"]
    assert item["captions"] == ["My disc", "Other", "a disc"]
    assert item["attributes"] == {"shelf": "3", "room": "hall"}


@pytest.mark.slow
def test_an_item_is_edited(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    [[item_id, *_]] = shell.lines("add", shell.picture("mine.png"), "-a", "shelf=3", "-a", "size=small")
    assert shell.lines("edit", item_id, "--title", "My zebra") == [[item_id, "edited", "My zebra"]]
    assert shell("search", "zebra").stderr == ""  # the word is known now
    monkeypatch.setattr("initialize.build_system", lambda *_args, **_kwargs: pytest.fail("a model was loaded"))
    edited = shell.json("edit", item_id, "-a", "shelf=4", "-a", "colour=red", "--without", "size")
    assert (edited["title"], edited["attributes"]) == ("My zebra", {"shelf": "4", "colour": "red"})
    assert shell("edit", item_id).exit_code == 2
    assert shell("edit", 999, "--title", "x").exit_code == 3
    assert shell("edit", "one", "--title", "x").exit_code == 2
    assert shell("edit", item_id, "-a", "catalogue=x").exit_code == 2


def test_attributes_that_cannot_be_kept_are_refused(shell: Shell) -> None:
    path = shell.picture("mine.png")
    for wish, said in ((("a=1", "a=2"), "is given twice"), (("catalogue=x", "b=1"), 'No attribute can be named "catalogue"')):
        result = shell("add", path, "-a", wish[0], "-a", wish[1])
        assert result.exit_code == 2, result.output
        assert said in result.stderr
    folder = shell("add", shell.folder)
    assert folder.exit_code == 3
    assert f"is a folder. Index all its pictures: python cli.py index {shell.folder}" in folder.stderr


@pytest.mark.slow
def test_nothing_listed_ends_with_one_and_says_why(shell: Shell) -> None:
    shell.lines("add", shell.picture("mine.png"), "-a", "shelf=3")
    for where, said in (
        ("nosuch=3", 'no item has an attribute "nosuch"'),
        ("shelf=4", "Nothing was found."),
        ("catalogue=x", "There are:"),
    ):
        for command in (("list",), ("search", "red disc"), ("list", "--json")):
            result = shell(*command, "--where", where)
            assert result.exit_code == 1, result.output
            if "--json" not in command:
                assert said in result.stderr


def test_a_catalogue_may_be_named_by_the_end_of_its_path(shell: Shell) -> None:
    from tests.app_parts import csv_source, things

    for place in ("a", "b"):
        csv_source(shell.folder / place / "mix", things(2, seed=ord(place))).unlink()
        shell.lines("index", shell.folder / place / "mix")
        found = shell("list", "--where", "catalogue=mix")
        assert found.exit_code == (0 if place == "a" else 2), found.output
    assert f'Several catalogues end in "mix": {shell.folder / "a" / "mix"}' in found.stderr
    assert len(shell.lines("list", "--where", f"catalogue={shell.folder / 'b' / 'mix'}")) == 2


@pytest.mark.slow
def test_values_beyond_the_limit_are_mentioned(shell: Shell) -> None:
    for number in range(3):
        shell.lines("add", shell.picture(f"{number}.png", seed=800 + number), "-a", f"shelf={number}")
    assert "More than" not in shell("list", "--attributes").stderr
    result = shell("list", "--attributes", "--limit", 2)
    assert len(result.stdout.splitlines()) == 2
    assert result.stderr == "More than 2 values: shelf. See more with --limit 20\n"


def test_a_title_cannot_move_the_cursor_or_add_a_column(shell: Shell) -> None:
    shell.lines("add", shell.picture("x.png"), "--title", "red\x1b[2J\tdisc\u202e")
    [row] = [row for row in shell.lines("list") if row[2] == "added"]
    assert row[1] == "red [2J disc"


def test_before_there_is_a_collection(empty_shell: Shell) -> None:
    for command in ("list", "failed", "remove 1"):
        result = empty_shell(*command.split())
        assert result.exit_code == 5
        assert "There is no collection" in result.stderr


def test_listing_loads_no_model(shell: Shell) -> None:
    import subprocess
    import sys

    code = "import sys; sys.argv = ['cli.py', 'list']\nimport cli\ntry: cli.app()\nexcept SystemExit: pass\nprint(*sys.modules)"
    project = Path(__file__).resolve().parents[2]
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=project, capture_output=True, text=True, env=dict(os.environ), timeout=60
    )
    assert "red disc" in said.stdout, said.stderr
    assert "torch" not in said.stdout.split()


@pytest.mark.slow
def test_a_catalogue_goes_by_the_end_of_its_path(shell: Shell) -> None:
    from tests.app_parts import csv_source, things

    places = [shell.folder / place / "mix" for place in ("a", "b")]
    for place in places:
        csv_source(place, things(2, seed=ord(place.parent.name))).unlink()
        shell.lines("index", place)
    unclear = shell("remove", "--catalogue", "mix", "--yes")
    assert unclear.exit_code == 2
    assert 'Several catalogues end in "mix"' in unclear.stderr
    assert shell.lines("remove", "--catalogue", places[0], "--yes") == [["catalogue", str(places[0]), "2", "removed"]]
    assert shell.lines("remove", "--catalogue", "mix", "--yes") == [["catalogue", str(places[1]), "2", "removed"]]


def test_a_page_says_how_many_items_match(shell: Shell) -> None:
    for number in range(3):
        shell.lines("add", shell.picture(f"{number}.png", seed=800 + number), "-a", "shelf=3")
    assert shell("list", "-w", "shelf=3", "-n", 2).stderr.startswith("2 of 3 items. Continue with --after ")


def test_numbers_beyond_any_id_are_fine(shell: Shell) -> None:
    most = 10**20
    assert len(shell.lines("list", "--limit", most)) == 12
    assert shell.lines("list", "--after", most, code=1) == []
    assert shell("list", "--attributes", "--limit", most).exit_code == 0
    assert shell("list", "--after", -1).exit_code == 2


def test_what_narrows_items_down_is_refused_elsewhere(shell: Shell) -> None:
    for words in (("--catalogues", "-w", "shelf=3"), ("--attributes", "--after", 3)):
        assert shell("list", *words).exit_code == 2


def test_taking_away_what_an_item_has_not_is_said(shell: Shell) -> None:
    shell.lines("edit", 2, "-a", "shelf=3", "-a", "colour=red")
    result = shell("edit", 2, "--without", "shelv")
    assert result.exit_code == 3
    assert 'Item 2 has no attribute "shelv". It has: ' in result.stderr
    assert shell("edit", 2, "-a", "shelf=4", "--without", "shelf").exit_code == 2
    assert shell.json("edit", 2, "--without", "shelf")["attributes"].get("shelf") is None
