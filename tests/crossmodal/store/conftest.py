"""An empty collection, for the tests of its parts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from crossmodal.store import Catalog


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog(tmp_path / "catalog.sqlite3") as opened:
        yield opened
