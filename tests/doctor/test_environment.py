"""The checks of the computer, with a computer made up."""

from importlib import metadata
from pathlib import Path
from typing import cast

import pytest

from crossmodal.errors import PictureError
from crossmodal.images.decoder import Decoder
from doctor.environment import check_decoder, check_disk, check_versions, pins, small_png
from doctor.finding import Subject
from tests.app_parts import InProcess
from tests.doctor.broken import PROJECT, place_of


def subject(folder: Path, decoder: object = None) -> Subject:
    return Subject(place_of(folder), cast(Decoder, decoder or InProcess()))


def test_packages_are_held_against_their_pins(tmp_path: Path) -> None:
    wanted = pins(PROJECT / "requirements.txt")
    assert wanted["torch"]
    assert check_versions(subject(tmp_path), lambda name: wanted[name] + "+cpu") == []

    def installed(name: str) -> str:
        if name == "torch":
            raise metadata.PackageNotFoundError
        return "0.1" if name == "Pillow" else wanted[name]

    [found] = check_versions(subject(tmp_path), installed)
    assert "torch missing" in found.what
    assert "Pillow 0.1 instead of" in found.what
    assert found.cure == "python -m pip install -r requirements.txt"


def test_a_disk_nearly_full_names_what_may_go(tmp_path: Path) -> None:
    assert check_disk(subject(tmp_path), lambda _path: 2**40) == []
    [found] = check_disk(subject(tmp_path), lambda _path: 2**20)
    assert found.code == "disk_nearly_full"
    assert "CROSSMODAL_DATA_DIR" in found.cure
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "features.bin").touch()
    [found] = check_disk(subject(tmp_path), lambda _path: 2**20)
    assert found.cure == f"rm -r {tmp_path / 'cache'}"


def test_the_disk_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    assert check_disk(subject(tmp_path / "not" / "yet")) == []


def test_what_may_be_the_only_copy_of_something_is_never_sacrificed(tmp_path: Path) -> None:
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "items-20240101-000000-000.csv").touch()
    for name in ("trained_model.refused-17", "catalog.sqlite3.format1"):
        (tmp_path / name).touch()
    (tmp_path / "cache").mkdir()  # nothing in it to be gained
    [found] = check_disk(subject(tmp_path), lambda _path: 2**20)
    assert "rm " not in found.cure
    assert "CROSSMODAL_DATA_DIR" in found.cure


def test_the_decoder_opens_a_picture_made_here(tmp_path: Path) -> None:
    assert small_png().startswith(b"\x89PNG")
    assert check_decoder(subject(tmp_path)) == []


class Broken:
    def decode(self, data: bytes, *, square_px: int) -> object:
        raise PictureError("image_corrupt", "It brings the decoder down.")


class Blank(InProcess):
    def decode(self, data: bytes, *, square_px: int) -> object:
        picture = super().decode(data, square_px=square_px)
        picture.pixels[:] = 0
        return picture


@pytest.mark.parametrize("decoder", [Broken(), Blank()])
def test_a_decoder_that_does_not_work_is_noticed(tmp_path: Path, decoder: object) -> None:
    [found] = check_decoder(subject(tmp_path, decoder))
    assert found.code == "decoder"
    assert "pip install" in found.cure
