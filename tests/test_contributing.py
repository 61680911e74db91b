"""CONTRIBUTING.md: its lines can be pasted where it says, and the files it names exist."""

import ast
import re
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
TEXT = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
LINES = re.findall(r"```\n([^\n]+,)\n```", TEXT)


def test_each_line_is_an_element_of_its_list() -> None:
    page, *entries = LINES
    [element] = ast.parse(f"[\n{page}\n]", mode="eval").body.elts  # type: ignore[attr-defined]
    assert isinstance(element, ast.Call)
    assert len(entries) == 3
    for line in entries:
        [key] = ast.parse(f"{{\n{line}\n}}", mode="eval").body.keys  # type: ignore[attr-defined]
        assert "mine" in key.value


def test_the_files_it_names_exist() -> None:
    named = {name for name in re.findall(r"`([\w./]+/[\w./]*\.\w+)`", TEXT) if "mine" not in name and "favourites" not in name}
    assert len(named) > 10
    assert {name for name in named if not (PROJECT / name).exists()} == {
        "crossmodal/store/x.py",
        "tests/crossmodal/store/test_x.py",
    }
