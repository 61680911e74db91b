"""Training pairs and the material of the index."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossmodal.errors import FetchError, TrainingError
from crossmodal.items import Failure, SourceRow
from datasets import LostFoundDataset, SimpleIndexDataset, group_numbers, held_out_hashes
from tests.crossmodal.ingest.fakes import FakeSource

TITLES = [("red mug",), ("a blue hat", "hat, blue"), ("Mug - RED",), ("green lamp",)]


def dataset(n: int = 4, *, hashes: list[str] | None = None) -> LostFoundDataset:
    pixels = torch.arange(n * 2 * 2 * 3, dtype=torch.uint8).view(n, 2, 2, 3)
    return LostFoundDataset(pixels, [TITLES[i % len(TITLES)] for i in range(n)], hashes or [f"hash{i}" for i in range(n)])


def test_pairs_in_order() -> None:
    pairs = dataset()
    assert len(pairs) == 4
    pixels, text = pairs[1]
    assert (pixels.shape, pixels.dtype, text) == ((2, 2, 3), torch.uint8, "a blue hat")
    assert [text for _, text in pairs] == ["red mug", "a blue hat", "Mug - RED", "green lamp"]
    assert pairs.groups == [0, 1, 0, 2]
    assert torch.equal(pairs.batch([2, 0]), torch.stack([pairs[2][0], pairs[0][0]]))


def test_a_subset_shares_its_pictures() -> None:
    pairs = dataset()
    part = pairs.subset([3, 1])
    assert [text for _, text in part] == ["green lamp", "a blue hat"]
    assert part.captions[1] == TITLES[1]
    assert part.content_hashes == ["hash3", "hash1"]
    assert part.pixels[0].data_ptr() == pairs.pixels[3].data_ptr()
    assert len(pairs.subset([])) == 0


@pytest.mark.parametrize(("n_pixels", "captions", "hashes"), [(2, [("a",)], ["x"]), (1, [("a",)], []), (1, [()], ["x"])])
def test_what_does_not_fit_together_is_refused(n_pixels: int, captions: list[tuple[str, ...]], hashes: list[str]) -> None:
    with pytest.raises(ValueError, match="every picture needs a text"):
        LostFoundDataset(torch.zeros(n_pixels, 2, 2, 3, dtype=torch.uint8), captions, hashes)


def test_collecting_leaves_out_pictures_without_words() -> None:
    pictures = [np.full((2, 2, 3), i, np.uint8) for i in range(4)]
    texts = [("red\u202e mug", "", "  "), ("",), ("\u200b", "\u3164"), ("a hat",)]
    pairs = LostFoundDataset.collect(zip(pictures, texts, "abcd", strict=True))
    assert pairs.captions == [("red mug",), ("a hat",)]
    assert pairs.content_hashes == ["a", "d"]
    assert pairs.batch([1]).tolist() == [[[[3] * 3] * 2] * 2]
    assert len(LostFoundDataset.collect([])) == 0


def test_titles_of_equal_words_are_one_group() -> None:
    assert group_numbers(["red mug", "blue mug", "the mug in red", "BLUE MUG", "red mug with dots"]) == [0, 1, 0, 1, 2]
    assert group_numbers([]) == []


HASHES = [f"{i:064x}" for i in range(500)]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.2, 0.5, 1.0])
@pytest.mark.parametrize("n", [0, 1, 10, 499])
def test_the_held_out_share_is_exact(n: int, share: float) -> None:
    held = held_out_hashes(HASHES[:n], share, salt="x")
    assert len(held) == round(share * n)
    assert held <= set(HASHES[:n])


@given(st.lists(st.sampled_from(HASHES), max_size=60), st.randoms())
def test_order_and_copies_do_not_matter(hashes: list[str], rng: random.Random) -> None:
    held = held_out_hashes(hashes, 0.3, salt="x")
    more = hashes + rng.choices(hashes, k=10) if hashes else []
    rng.shuffle(more)
    assert held_out_hashes(more, 0.3, salt="x") == held


def test_sides_are_the_same_for_ever() -> None:
    """Pinned: a picture that was held out yesterday must not be learned from today."""
    held = held_out_hashes(HASHES[:10], 0.3, salt="validation")
    assert sorted(int(content, 16) for content in held) == [1, 2, 7]


def test_new_pictures_move_the_border_and_nothing_else() -> None:
    before, after = held_out_hashes(HASHES[:400], 0.2, salt="x"), held_out_hashes(HASHES, 0.2, salt="x")
    kept = {content for content in after if content in set(HASHES[:400])}
    assert kept <= before or before <= kept
    assert len(kept ^ before) <= 15


def test_another_salt_is_another_draw() -> None:
    first, second = (held_out_hashes(HASHES, 0.2, salt=salt) for salt in ("validation", "held out"))
    assert first != second
    assert 5 < len(first & second) < 40  # 20 by chance


def test_split_keeps_copies_of_a_picture_together() -> None:
    hashes = [HASHES[i // 2] for i in range(40)]
    rest, held = dataset(40, hashes=hashes).split(0.25, salt="x")
    assert not set(rest.content_hashes) & set(held.content_hashes)
    assert len(held) == 2 * round(0.25 * 20)
    assert len(rest) + len(held) == 40
    assert set(held.content_hashes) == held_out_hashes(hashes, 0.25, salt="x")


@pytest.mark.parametrize("hashes", [[], ["a"], ["a", "a", "a"], ["a", "b", "c"]])
def test_too_few_pictures_cannot_be_split(hashes: list[str]) -> None:
    pairs = dataset(len(hashes), hashes=hashes)
    with pytest.raises(TrainingError, match=f"{len(set(hashes))} different pictures") as caught:
        pairs.split(0.1, salt="x")
    assert caught.value.remedy


def test_the_index_is_built_from_rows_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"bytes of a")
    here = SourceRow("1", "a mug", "a.jpg", 2)
    there = SourceRow("2", "a hat", "https://shop.example/b.jpg", 3)
    failed = Failure("3", "fake", "c.jpg", "", "row_errors", "Line 4 has too few fields.", "Repair it.")
    asked = []

    def fetch(url: str) -> bytes:
        asked.append(url)
        raise FetchError("http_status", "It answered 404.", remedy="Look at the address.")

    index = SimpleIndexDataset(FakeSource([here, there, failed], folder=tmp_path), fetch=fetch, max_image_bytes=100)
    assert asked == []
    assert list(index) == [here, there, failed] == list(index)
    assert index.load(here) == b"bytes of a"
    with pytest.raises(FetchError, match="404"):
        index.load(there)
    assert asked == ["https://shop.example/b.jpg"]
