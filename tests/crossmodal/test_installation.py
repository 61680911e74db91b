"""What a message says to type is what starts this copy of the program."""

import ast
from pathlib import Path

from crossmodal.installation import COMMAND, IS_CHECKOUT, PROGRAM_DIR

PACKAGES = ("api", "commands", "crossmodal", "doctor", "engine", "training", "ui")
SPELT_OUT = "python cli.py"


def strings(path: Path) -> list[str]:
    """The text constants of a file, without docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    described = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in described]
    return [node.value for node in constants if isinstance(node.value, str)]


def test_a_checkout_is_started_by_its_file() -> None:
    assert IS_CHECKOUT
    assert COMMAND == SPELT_OUT


def test_messages_take_the_command_from_here() -> None:
    files = [path for package in PACKAGES for path in (PROGRAM_DIR / package).rglob("*.py") if path.name != "installation.py"]
    files += list(PROGRAM_DIR.glob("*.py"))

    assert [path for path in files if any(SPELT_OUT in text for text in strings(path))] == []
    assert len(files) > 200
