"""The model files of a collection: what is imported is a copy, and a file that is gone is named."""

import os
from pathlib import Path

import pytest

from crossmodal.errors import CheckpointError, CheckpointMissing
from engine.models.loading import load_model
from engine.models.store import ModelFiles
from tests.tiny import shared_model


@pytest.fixture
def files(tmp_path: Path) -> ModelFiles:
    return ModelFiles(tmp_path / "models", tmp_path / "trained_model.pth")


def test_an_imported_model_is_a_copy_under_its_id(files: ModelFiles, tmp_path: Path) -> None:
    original = tmp_path / "elsewhere.pth"
    saved = shared_model().save(original)

    imported = files.import_file(original)
    original.unlink()

    assert imported.model_id == saved.model_id
    assert load_model(files.path_of(imported.model_id)).model_id == saved.model_id
    assert files.import_file(files.path_of(imported.model_id)).model_id == saved.model_id


@pytest.mark.parametrize("place", ["none.pth", "no/folder/none.pth", "trained_model.pth/inside"])
def test_a_missing_file_is_named(files: ModelFiles, tmp_path: Path, place: str) -> None:
    (tmp_path / "trained_model.pth").write_bytes(b"a file")
    with pytest.raises(CheckpointMissing, match="does not exist"):
        files.import_file(tmp_path / place)

    assert files.listed() == {}


def test_a_folder_or_a_pipe_is_refused(files: ModelFiles, tmp_path: Path) -> None:
    places = [tmp_path / "folder"]
    places[0].mkdir()
    if hasattr(os, "mkfifo"):
        places.append(tmp_path / "pipe")
        os.mkfifo(places[1])
    for place in places:
        with pytest.raises(CheckpointError, match="is not a regular file"):
            files.import_file(place)
