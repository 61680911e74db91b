"""This copy of the program: its version, its folder, and what a person types to run a command of it."""

from pathlib import Path

VERSION = "0.2.0"
"""Also that of the package: `pyproject.toml` reads it from here."""

PROGRAM_DIR = Path(__file__).resolve().parents[1]
"""Folder that holds `crossmodal`, `app.py` and `cli.py`."""

IS_CHECKOUT = (PROGRAM_DIR / "pyproject.toml").is_file()
"""False where the program was installed as a package: its folder then holds no data."""

COMMAND = "python cli.py" if IS_CHECKOUT else "visual-search"
