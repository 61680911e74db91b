"""Vectors from another collection: they reach the pictures they were made of, and no others."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from crossmodal.errors import QueryError, SourceError
from engine.export import export_items
from engine.export_formats import Exported
from engine.import_vectors import import_vectors, read_vectors
from engine.live import LiveApp
from tests.app_parts import csv_source, make_live_app, png
from tests.tiny import shared_model


def collection(folder: Path, *seeds: int) -> LiveApp:
    """A collection of one red disc a seed, all with the same model."""
    live = make_live_app(folder, shared_model())
    for seed in seeds:
        live.add_new_item(png("red", "disc", seed), f"disc {seed}")
    return live


@pytest.fixture
def here(tmp_path: Path) -> Iterator[LiveApp]:
    live = collection(tmp_path / "here", 0, 1, 2)
    yield live
    live.close()


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """Vectors of another collection whose second and third item show other pictures, with a fourth that is not here at all."""
    there = collection(tmp_path / "there", 0, 11, 12, 13)
    export_items(Exported.of(there), tmp_path / "out.npy", "npy")
    there.close()
    return tmp_path / "out.npy"


def stored(app: LiveApp) -> list[bytes]:
    model_id = app.generation().model.model_id
    return [app.store.embeddings.get(item.item_id, model_id).tobytes() for item in app.page(100)]


def bring_in(app: LiveApp, path: Path, ids: Path | None = None, *, skip_unknown: bool = False) -> int:
    model = app.generation().model
    return import_vectors(
        app.store, read_vectors(path, ids), model_id=model.model_id, embed_dim=model.spec.embed_dim, skip_unknown=skip_unknown
    )


def test_an_id_that_means_another_picture_here_is_refused(here: LiveApp, exported: Path) -> None:
    before = stored(here)
    with pytest.raises(
        QueryError, match=r"2 of 4 ids belong to another picture here, 1 of 4 ids are not in the collection"
    ) as caught:
        bring_in(here, exported)
    assert caught.value.code == "bad_request"
    assert caught.value.remedy
    assert stored(here) == before


def test_what_means_another_picture_is_left_out_with_the_unknown(here: LiveApp, exported: Path) -> None:
    before = stored(here)
    assert bring_in(here, exported, skip_unknown=True) == 1
    assert stored(here) == before  # the one picture both have has the same embedding in both


def test_content_hashes_of_an_export_must_be_one_a_row(exported: Path) -> None:
    ids = exported.with_suffix(".ids.json")
    about = json.loads(ids.read_text())
    for wrong in (about["content_hashes"][:-1], [1, 2, 3, 4], "abcd"):
        ids.write_text(json.dumps(about | {"content_hashes": wrong}))
        with pytest.raises(SourceError, match="content hash"):
            read_vectors(exported)


def test_ids_without_content_hashes_are_taken_at_their_word(here: LiveApp, tmp_path: Path) -> None:
    model = here.generation().model
    np.save(tmp_path / "v.npy", np.eye(1, model.spec.embed_dim, dtype=np.float32))
    (tmp_path / "v.ids.json").write_text(json.dumps({"model_id": model.model_id, "item_ids": [2]}))
    assert bring_in(here, tmp_path / "v.npy") == 1


def test_every_item_that_shows_the_picture_gets_the_vector(here: LiveApp, tmp_path: Path) -> None:
    twice = {"one.png": ("first", png("blue", "bar", 5)), "two.png": ("second", png("blue", "bar", 5))}
    here.tasks.index(str(csv_source(tmp_path / "shop", twice)), lambda _progress: None)
    first, second = here.page(100, 3)
    assert first.content_hash == second.content_hash
    np.save(tmp_path / "v.npy", np.eye(1, 32, dtype=np.float32))
    (tmp_path / "ids.txt").write_text(first.content_hash)
    found = read_vectors(tmp_path / "v.npy", tmp_path / "ids.txt")
    assert import_vectors(here.store, found, model_id="another model", embed_dim=None) == 2
    for item in (first, second):
        np.testing.assert_array_equal(here.store.embeddings.get(item.item_id, "another model"), found.rows[0])


def test_a_row_that_is_nearly_of_length_1_is_stored_with_it(here: LiveApp, tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.eye(3, 32, dtype=np.float32) * np.array([[0.9992], [1.0009], [1.0]], dtype=np.float32))
    (tmp_path / "ids.txt").write_text("1 2 3")
    assert bring_in(here, tmp_path / "v.npy", tmp_path / "ids.txt") == 3
    for row, item in zip(np.eye(3, 32, dtype=np.float32), here.page(100), strict=True):
        np.testing.assert_array_equal(here.store.embeddings.get(item.item_id, here.generation().model.model_id), row)
