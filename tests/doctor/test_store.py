"""The stored pictures, while somebody else changes the collection."""

from pathlib import Path
from typing import cast

import pytest

from benchmarks.made_up import MODEL_ID, made_up_item
from crossmodal.images.decoder import Decoder
from crossmodal.store import Store
from doctor.finding import Subject
from doctor.store import check_pictures
from tests.app_parts import InProcess
from tests.doctor.broken import place_of


def test_an_item_removed_meanwhile_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(tmp_path / "catalog.sqlite3") as store:
        store.items.add_many([made_up_item(number) for number in range(20)], model_id=MODEL_ID)
        thumbnail = store.pictures.thumbnail

        def removed_first(item_id: int) -> bytes:
            if item_id == 3:
                store.items.remove([3])
            return thumbnail(item_id)

        monkeypatch.setattr(store.pictures, "thumbnail", removed_first)
        assert check_pictures(Subject(place_of(tmp_path), cast(Decoder, InProcess()), store)) == []
        assert store.items.count() == 19
