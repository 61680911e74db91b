"""Installations for the commands: one empty, one with twelve things in its collection."""

import shutil
from pathlib import Path

import pytest

from tests.commands.shell import Shell, installed, settled


@pytest.fixture(scope="session")
def empty_installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model and a catalogue; made once, copied by each test."""
    folder = tmp_path_factory.mktemp("empty")
    installed(folder)
    return folder


@pytest.fixture(scope="session")
def filled_installation(empty_installation: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same after `index`."""
    folder = Path(shutil.copytree(empty_installation, tmp_path_factory.mktemp("filled") / "here"))
    with pytest.MonkeyPatch.context() as patch:
        settled(folder, patch)
        result = Shell(folder)("index")
        assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def empty_shell(empty_installation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    folder = Path(shutil.copytree(empty_installation, tmp_path / "here"))
    settled(folder, monkeypatch)
    return Shell(folder)


@pytest.fixture
def shell(filled_installation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    folder = Path(shutil.copytree(filled_installation, tmp_path / "here"))
    settled(folder, monkeypatch)
    return Shell(folder)
