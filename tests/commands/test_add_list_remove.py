"""`add`, `list` and `remove`: single items, with what is said of each."""

import os
from pathlib import Path

from tests.app_parts import png
from tests.commands.shell import Shell


def test_what_is_added_is_listed_found_and_removed(shell: Shell) -> None:
    path = shell.picture("my-red-disc.png")
    [[item_id, state, title]] = shell.lines("add", path, "-a", "shelf=3")
    assert (state, title) == ("added", "my red disc")
    assert shell.lines("add", path) == [[item_id, "known", "my red disc"]]
    [row] = shell.lines("list", "--where", "shelf=3")
    assert row[0] == item_id
    assert row[3] == "shelf=3"
    assert shell.lines("search", path, "-k", 1)[0][2] == item_id
    assert shell.lines("remove", item_id) == [[item_id, "removed"]]
    assert shell.lines("list", "--where", "shelf=3") == []
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
    assert [item["item_id"] for item in first["items"]] == [1, 2, 3, 4, 5]
    assert first["next_after"] == 5
    assert first["total"] == 12
    last = shell.json("list", "-n", 100, "--after", 10)
    assert [item["item_id"] for item in last["items"]] == [11, 12]
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
    assert shell.lines("remove", "--catalogue", row[0], "--yes") == [["12", "removed"]]
    assert shell.lines("list") == []


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
