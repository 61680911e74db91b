"""Pictures with captions for a run: decoded once, split for good, and what cannot be used is named."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from crossmodal.errors import TrainingError
from crossmodal.images.decode import DecodeLimits
from crossmodal.images.decoder import Decoder
from crossmodal.ingest.sources.base import SourceLimits
from crossmodal.ingest.sources.open import open_source
from crossmodal.items import Failure
from crossmodal.progress import Progress, ignore_progress
from datasets import SimpleIndexDataset
from tests.app_parts import png
from training.data import TEST, TRAIN, VALIDATION, TrainingData, read_training_data


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder(DecodeLimits(max_bytes=10**7, max_pixels=10**7), workers=1) as decoder:
        yield decoder


def source(folder: Path, rows: list[tuple[str, str, str]], *, split: bool = True) -> SimpleIndexDataset:
    """A CSV of (image, caption, split) rows; the pictures are drawn, different for different names."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(dict.fromkeys(row[0] for row in rows)):
        if not (folder / name).exists():
            (folder / name).write_bytes(png("red", "disc", number))
    lines = [",".join(row if split else row[:2]) for row in rows]
    path = folder / "captions.csv"
    path.write_text("\n".join([f"image,caption{',split' if split else ''}", *lines]) + "\n", encoding="utf-8")
    limits = SourceLimits(max_rows=10_000, max_image_bytes=10**7)
    return SimpleIndexDataset(open_source(path, limits=limits), fetch=lambda url: b"", max_image_bytes=10**7)


def read(dataset: SimpleIndexDataset, decoder: Decoder, folder: Path, **changes: object) -> tuple[TrainingData, list[Failure]]:
    settings = {"size": 16, "max_pictures": 1000, "on_progress": ignore_progress, **changes}
    return read_training_data(dataset, decoder, folder, **settings)


def rows(n: int, split: str = "train") -> list[tuple[str, str, str]]:
    return [(f"{i}.png", text, split) for i in range(n) for text in (f"thing number {i}", f"it is thing {i}")]


def test_captions_of_a_picture_belong_together(tmp_path: Path, decoder: Decoder) -> None:
    data, failures = read(source(tmp_path / "c", rows(10)), decoder, tmp_path / "cache")
    assert failures == []
    assert len(data) == 10
    assert data.captions[3] == ("thing number 3", "it is thing 3")
    assert data.pixels.shape == (10, 16, 16, 3)
    assert data.caption_indices([1, 3]).tolist() == [2, 3, 6, 7]
    assert len(set(data.groups())) == 10


def test_the_split_column_decides(tmp_path: Path, decoder: Decoder) -> None:
    named = rows(20) + [(f"d{i}.png", f"dev thing {i}", "dev") for i in range(5)]
    data, _ = read(source(tmp_path / "c", named), decoder, tmp_path / "cache")
    assert [data.names[place] for place in data.side(TEST)] == [f"d{i}.png" for i in range(5)]
    assert len(data.side(VALIDATION)) == 1  # a twentieth of 20
    assert len(data.side(TRAIN)) == 19


def test_without_a_split_column_the_hash_decides_for_good(tmp_path: Path, decoder: Decoder) -> None:
    first, _ = read(source(tmp_path / "a", rows(40), split=False), decoder, tmp_path / "cache")
    again, _ = read(source(tmp_path / "b", rows(40)[::-1], split=False), decoder, tmp_path / "other")
    assert len(first.side(TEST)) == 4
    sides = [dict(zip(data.content_hashes, data.sides, strict=True)) for data in (first, again)]
    assert sides[0] == sides[1]


def test_equal_pictures_are_on_one_side_the_stricter_one(tmp_path: Path, decoder: Decoder) -> None:
    folder = tmp_path / "c"
    folder.mkdir()
    for name in ("0.png", "twin.png"):
        (folder / name).write_bytes(png("blue", "bar", 7))
    data, _ = read(source(folder, [*rows(12), ("twin.png", "the twin", "dev")]), decoder, tmp_path / "cache")
    assert {data.names[place] for place in data.side(TEST)} == {"0.png", "twin.png"}


def test_what_cannot_be_read_is_named_the_second_time_too(tmp_path: Path, decoder: Decoder) -> None:
    folder = tmp_path / "c"
    dataset = source(folder, rows(12))
    (folder / "3.png").write_bytes(b"not a picture")
    told: list[Progress] = []
    for _ in range(2):
        data, failures = read(dataset, decoder, tmp_path / "cache", on_progress=told.append)
        assert [(failure.location, failure.code) for failure in failures] == [("3.png", "not_an_image")]
        assert len(data) == 11
    assert len([moment for moment in told if moment.done == moment.total]) == 1  # decoded once
    assert np.array_equal(data.pixels[2], read(dataset, decoder, tmp_path / "fresh")[0].pixels[2])


def test_a_changed_picture_is_read_again(tmp_path: Path, decoder: Decoder) -> None:
    folder = tmp_path / "c"
    dataset = source(folder, rows(10))
    before, _ = read(dataset, decoder, tmp_path / "cache")
    (folder / "0.png").write_bytes(png("blue", "bar", 99))
    after, _ = read(dataset, decoder, tmp_path / "cache")
    assert before.content_hashes[0] != after.content_hashes[0]
    assert before.digest != after.digest


def test_too_few_pictures_are_a_sentence(tmp_path: Path, decoder: Decoder) -> None:
    with pytest.raises(TrainingError, match="has 1 pictures with words; training needs 8") as caught:
        read(source(tmp_path / "c", rows(1)), decoder, tmp_path / "cache")
    assert caught.value.remedy


def test_the_first_pictures_when_there_are_too_many(tmp_path: Path, decoder: Decoder) -> None:
    data, _ = read(source(tmp_path / "c", rows(20)), decoder, tmp_path / "cache", max_pictures=9)
    assert list(data.names) == [f"{i}.png" for i in range(9)]
