"""Where the real input for tests lies: a folder `shared` beside the project, which is not part of it."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


def needs_shared(relative: str) -> pytest.MarkDecorator:
    """Skip, saying which folder is missing, where the shared input is not at hand."""
    wanted = SHARED / relative
    return pytest.mark.skipif(not wanted.exists(), reason=f"needs the shared test input {relative} beside the project folder")
