"""Asking the command line inside this process, on an installation of a tiny model and twelve drawn things."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.app_parts import csv_source, png, things
from tests.tiny import shared_model

NAMES = ("DATA_DIR", "DATASET_DIR", "MODEL_PATH", "CATALOGUE", "DECODE_WORKERS", "DOWNLOAD_WEIGHTS")


class Shell:
    """`shell("search", "red disc")` asks, in an installation of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *words: object, stdin: bytes | None = None) -> Result:
        from cli import app

        return CliRunner().invoke(app, [str(word) for word in words], input=stdin)

    def lines(self, *words: object, code: int = 0) -> list[list[str]]:
        """The cells of each line of the answer; fails when the command ends otherwise."""
        result = self(*words)
        assert result.exit_code == code, result.output
        return [line.split("\t") for line in result.stdout.splitlines()]

    def json(self, *words: object) -> Any:
        result = self(*words, "--json")
        assert result.exit_code in (0, 1), result.output
        return json.loads(result.stdout)

    def picture(self, name: str, colour: str = "red", thing: str = "disc", *, seed: int = 900) -> Path:
        """A picture file beside the installation."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(colour, thing, seed))
        return path


def installed(folder: Path) -> None:
    """A model and a catalogue, nothing indexed yet."""
    folder.mkdir(parents=True, exist_ok=True)
    shared_model().save(folder / "trained_model.pth")
    csv_source(folder / "dataset", things(12)).rename(folder / "dataset" / "amazon_products.csv")


def settled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of an installation, for this process and what it starts."""
    values = {
        "DATA_DIR": folder / "data",
        "DATASET_DIR": folder / "dataset",
        "MODEL_PATH": folder / "trained_model.pth",
        "DECODE_WORKERS": 1,
        "DOWNLOAD_WEIGHTS": False,
    }
    monkeypatch.delenv("CROSSMODAL_CATALOGUE", raising=False)
    for name, value in values.items():
        monkeypatch.setenv(f"CROSSMODAL_{name}", str(value))
    monkeypatch.setenv("COLUMNS", "200")


MakeShell = Callable[[], Shell]
