"""The project's own Python files."""

import os
from functools import cache
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]


@cache
def source_files() -> tuple[Path, ...]:
    """Sorted; folders with a dot and what is generated are not walked through, for `.venv` alone has twenty thousand files."""
    found = []
    for folder, folders, names in os.walk(PROJECT):
        generated = {"build", "data", "venv"} if Path(folder) == PROJECT else set()
        folders[:] = [name for name in folders if not name.startswith(".") and name not in generated]
        found += [Path(folder, name) for name in names if name.endswith(".py")]
    return tuple(sorted(found))
