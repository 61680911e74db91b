"""The stored pictures, while somebody else changes the collection."""

import shutil
from pathlib import Path
from typing import cast

import pytest

from crossmodal.images.decoder import Decoder
from crossmodal.store import Store
from doctor.finding import Subject
from doctor.store import check_pictures
from tests.app_parts import InProcess
from tests.doctor.broken import place_of


def test_an_item_removed_meanwhile_is_no_fault(healthy_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(shutil.copytree(healthy_folder, tmp_path / "here"))
    with Store(folder / "catalog.sqlite3") as store:
        thumbnail = store.pictures.thumbnail

        def removed_first(item_id: int) -> bytes:
            if item_id == 3:
                store.items.remove([3])
            return thumbnail(item_id)

        monkeypatch.setattr(store.pictures, "thumbnail", removed_first)
        assert check_pictures(Subject(place_of(folder), cast(Decoder, InProcess()), store)) == []
        assert store.items.count() == 19
