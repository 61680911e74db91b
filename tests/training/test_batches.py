"""Which pairs go together: every pair once, by lot, and varied only in ways that keep what is shown."""

from collections import Counter

import pytest
import torch

from crossmodal.training.batches import draw_texts, vary_pictures

SHIFT = 1 / 16


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(n: int, side: int) -> torch.Tensor:
    return torch.rand(n, 3, side, side, generator=generator(9))


@pytest.mark.parametrize(("side", "size"), [(64, 64), (64, 32), (32, 64), (16, 8)])
@pytest.mark.parametrize("n", [1, 5])
def test_pictures_get_their_size(n: int, side: int, size: int) -> None:
    varied = vary_pictures(drawn(n, side), size, generator())
    assert varied.shape == (n, 3, size, size)
    assert varied.dtype == torch.float32
    assert varied.is_contiguous(memory_format=torch.channels_last)


def test_a_picture_is_mirrored_and_shifted_and_nothing_else() -> None:
    images = drawn(40, 32)
    varied = vary_pictures(images, 32, generator())
    reach = int(32 * SHIFT)
    shifts = [(down, right) for down in range(-reach, reach + 1) for right in range(-reach, reach + 1)]
    kinds = Counter()
    for before, after in zip(images, varied, strict=True):
        found = [
            (mirrored, shift)
            for mirrored, base in ((False, before), (True, before.flip(-1)))
            for shift in shifts
            if torch.equal(base.roll(shift, dims=(1, 2)), after)
        ]
        assert len(found) == 1
        kinds[found[0]] += 1
    assert {mirrored for mirrored, _ in kinds} == {False, True}
    assert len({shift for _, shift in kinds}) == 1  # one shift for the whole batch


def test_what_is_handed_in_stays_as_it_was() -> None:
    images = drawn(4, 32)
    before = images.clone()
    vary_pictures(images, 16, generator())
    assert torch.equal(images, before)


def test_variations_are_many_and_repeatable() -> None:
    images = drawn(2, 32)
    looks = {vary_pictures(images, 32, generator(seed)).numpy().tobytes() for seed in range(20)}
    assert len(looks) > 10
    assert torch.equal(vary_pictures(images, 32, generator(3)), vary_pictures(images, 32, generator(3)))


def test_every_text_has_its_turn() -> None:
    captions = [("a", "b", "c"), ("d",)]
    turns = Counter(tuple(draw_texts(captions, generator(seed))) for seed in range(200))
    assert set(turns) == {("a", "d"), ("b", "d"), ("c", "d")}
    assert min(turns.values()) > 40
    assert draw_texts([], generator()) == []
