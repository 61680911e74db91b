"""An empty collection, for the tests of its parts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from crossmodal.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "catalog.sqlite3") as opened:
        yield opened
