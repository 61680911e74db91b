"""`search`: every way to ask, both ways to answer, and how it ends."""

import pytest

from tests.app_parts import png
from tests.commands.shell import Shell


def test_words_find_what_they_say(shell: Shell) -> None:
    rows = shell.lines("search", "red disc", "--top", 3)
    assert [row[0] for row in rows] == ["1", "2", "3"]
    assert rows[0][3] == "red disc"
    assert float(rows[0][1]) >= float(rows[1][1])
    assert len(rows[0]) == 7
    assert rows[0][6] == "both"


def test_json_holds_the_whole_item(shell: Shell) -> None:
    best = shell.json("search", "red disc", "-k", 1)["results"][0]
    assert (best["rank"], best["title"], best["width_px"]) == (1, "red disc", 32)
    assert best["content_hash"]


@pytest.mark.parametrize("how", ["file", "stdin"])
def test_a_picture_finds_its_kind(shell: Shell, how: str) -> None:
    path = shell.picture("blue.png", "blue", "bar")
    result = shell("search", path, "-k", 1) if how == "file" else shell("search", "-", "-k", 1, stdin=path.read_bytes())
    assert result.exit_code == 0, result.output
    assert result.stdout.split("\t")[3] == "blue bar"


@pytest.mark.slow
def test_words_and_a_picture_together(shell: Shell) -> None:
    path = shell.picture("blue.png", "blue", "bar")
    by_picture = shell.json("search", "red disc", "--and-image", path, "--weight", 1, "-k", 3)
    by_words = shell.json("search", "red disc", "--and-image", path, "--weight", 0, "-k", 3)
    alone = shell.json("search", path, "-k", 3)
    assert [row["item_id"] for row in by_picture["results"]] == [row["item_id"] for row in alone["results"]]
    assert by_words["results"][0]["title"] == "red disc"


def test_more_like_an_item_leaves_it_out(shell: Shell) -> None:
    rows = shell.json("search", "--item", 1, "-k", 50)["results"]
    assert "1" not in [row["item_id"] for row in rows]
    assert len(rows) == 11


def test_filters_and_the_lowest_score(shell: Shell) -> None:
    added = shell.json("add", shell.picture("x.png"), "--title", "red disc", "-a", "shelf=A 1", "-a", "size=small")["items"][0]
    [row] = shell.json("search", "red disc", "--where", "shelf=A 1", "--where", "shelf=B 2", "-w", "size=small")["results"]
    assert row["item_id"] == added["item_id"]
    assert row["attributes"] == {"shelf": "A 1", "size": "small"}
    assert [row["catalogue"] for row in shell.json("search", "red disc", "-w", "catalogue=added")["results"]] == ["added"]
    nothing = shell("search", "red disc", "--min-score", 1)
    assert nothing.exit_code == 1
    assert "Nothing was found." in nothing.stderr
    assert nothing.stdout == ""


def test_text_that_looks_like_a_file_is_said_or_searched(shell: Shell) -> None:
    missing = shell("search", "nosuch.png")
    assert missing.exit_code == 3
    assert "nosuch.png" in missing.stderr
    assert shell("search", "red.png", "--text").exit_code == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["search"], 2, "one thing"),
        (["search", "red.png", "--item", "1"], 2, "combine it with words"),
        (["search", "red", "--item", "1", "--and-image", "x.png"], 2, "combine it with words"),
        (["search", "red", "--captions-for", "x.png"], 2, "one thing"),
        (["search", "red", "--offset", "-1"], 2, "offset"),
        (["search", "red", "--top", "0"], 2, "results"),
        (["search", "   "], 2, "empty"),
        (["search", "red", "--where", "colour"], 2, "NAME=VALUE"),
        (["search", "red", "--min-score", "nan"], 2, "nan"),
        (["search", "--item", "99"], 3, "99"),
        (["search", "http://127.0.0.1/x.png"], 4, "127.0.0.1"),
        (["search", "x.png", "--and-image", "y.png"], 2, "words"),
        (["search", "red", "--weight", "0.5"], 2, "--weight"),
        (["search", "--item", "abc"], 2, '"abc" is not the id of an item'),
        (["search", "nosuch.png"], 3, "--text"),
    ],
)
def test_what_cannot_be_answered_is_one_sentence(shell: Shell, words: list[str], code: int, said: str) -> None:
    result = shell(*words)
    assert result.exit_code == code, result.output
    assert said in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""


def test_an_unknown_word_is_told_unless_quiet(shell: Shell) -> None:
    assert "zebra" in shell("search", "zebra").stderr
    assert shell("search", "zebra", "--quiet").stderr == ""


def test_a_picture_that_is_none_is_refused(shell: Shell) -> None:
    path = shell.folder / "page.png"
    path.write_bytes(b"<!doctype html>")
    result = shell("search", path)
    assert result.exit_code == 4
    assert result.stderr.startswith("Error: ")


def test_a_terminal_without_pictures_says_so(shell: Shell) -> None:
    assert "shows no pictures" in shell("search", "red disc", "--preview").stderr


def test_opening_writes_the_stored_picture(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    monkeypatch.setattr("typer.launch", lambda path: opened.append(path) or 0)
    assert shell("search", "red disc", "--open").exit_code == 0
    [path] = opened
    with open(path, "rb") as file:  # noqa: PTH123
        assert file.read(2) == b"\xff\xd8"


def test_captions_for_a_picture(shell: Shell) -> None:
    path = shell.picture("red.png")
    shell.json("add", path, "--caption", "red disc", "--caption", "blue bar")
    other = shell.folder / "other.png"
    other.write_bytes(png("red", "disc", 901))
    found = shell.json("search", "--captions-for", other, "-k", 20)["captions"]
    assert found[0]["caption"] == "red disc"
    assert [each["rank"] for each in found] == list(range(1, len(found) + 1))


def test_the_first_search_of_all_indexes_the_catalogue(empty_shell: Shell) -> None:
    assert len(empty_shell.json("search", "red disc", "-k", 50)["results"]) == 12


def test_words_without_letters_are_not_said_to_be_unknown(shell: Shell) -> None:
    assert "No title" not in shell("search", "!!! ?").stderr


def test_words_that_name_something_here_are_mentioned(shell: Shell) -> None:
    (shell.folder / "notes").write_text("x")
    assert f"python cli.py index {shell.folder}" in shell("search", shell.folder).stderr
    assert f"python cli.py search - < {shell.folder / 'notes'}" in shell("search", shell.folder / "notes").stderr
    assert "give its path" in shell("search", f"file://{shell.folder}").stderr
    assert shell("search", "red disc").stderr == ""
    missing = shell("search", "red", "--and-image", "nosuch.png").stderr
    assert "--text" not in missing


def test_words_need_no_quotation_marks(shell: Shell) -> None:
    assert shell.lines("search", "red", "disc", "-k", 3) == shell.lines("search", "red disc", "--limit", 3)


def test_words_and_an_item_together(shell: Shell) -> None:
    rows = shell.json("search", "blue bar", "--item", 1, "--weight", 0.2, "-k", 50)["results"]
    assert "1" not in [row["item_id"] for row in rows]
    assert rows[0]["title"].startswith("blue")


def test_pages_follow_one_another(shell: Shell) -> None:
    whole = shell.lines("search", "red disc", "-k", 12)
    assert shell.lines("search", "red disc", "-k", 4, "--offset", 3) == whole[3:7]


def test_equal_pictures_take_one_line_and_the_own_one_none(shell: Shell) -> None:
    copies = shell.folder / "copies"
    for name in ("one.png", "two.png"):
        path = shell.picture(f"copies/{name}", "blue", "bar", seed=4_000)
    shell.lines("index", copies)
    assert len(shell.lines("search", "blue bar", "-k", 50, "--duplicates")) == len(shell.lines("search", "blue bar", "-k", 50)) + 1
    found = shell("search", path, "-k", 50)
    assert "The collection has this very picture: items 13, 14." in found.stderr
    assert not [line for line in found.stdout.splitlines() if line.split("\t")[2] in ("13", "14")]
