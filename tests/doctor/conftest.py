"""One healthy installation for all tests of the doctor."""

from pathlib import Path

import pytest

from tests.doctor.broken import healthy


@pytest.fixture(scope="session")
def healthy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return healthy(tmp_path_factory.mktemp("healthy") / "here")
