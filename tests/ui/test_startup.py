"""What the start of the page takes from its surroundings: settings, and the arguments behind `streamlit run app.py --`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ui import startup


@pytest.fixture(autouse=True)
def read_anew() -> Iterator[None]:
    startup.settings.cache_clear()
    yield
    startup.settings.cache_clear()


@pytest.mark.parametrize("arguments", [["--data-dir", "{}"], ["--data-dir={}"], ["--other", "x", "--data-dir", "{}"]])
def test_the_folder_of_the_collection_may_be_given(arguments: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.argv", ["app.py", *(each.format(tmp_path / "chosen") for each in arguments)])
    assert startup.settings().data_dir == tmp_path / "chosen"


def test_a_misspelt_setting_is_the_problem_of_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSMODAL_DATA_DRI", "x")
    start = startup.Starter()
    assert start.wait(60) is None
    assert start.problem.startswith("There is no setting CROSSMODAL_DATA_DRI. The nearest is CROSSMODAL_DATA_DIR.")
