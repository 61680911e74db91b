"""Views of a picture: plain, mirrored, crops by its own hash."""

import numpy as np
import pytest

from crossmodal.training.views import SMALLEST_CROP, view_of


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 24, 24, 3), dtype=np.uint8)


def test_plain_and_mirrored(pixels: np.ndarray) -> None:
    assert view_of(pixels, 0, "abc") is pixels
    assert np.array_equal(view_of(pixels, 1, "abc")[:, :, 0], pixels[:, :, -1])
    assert np.array_equal(view_of(view_of(pixels, 1, "abc"), 1, "abc"), pixels)


def test_crops_are_the_same_for_the_same_name_and_differ_otherwise(pixels: np.ndarray) -> None:
    first, again = view_of(pixels, 2, "abc"), view_of(pixels, 2, "abc")
    assert first.shape == pixels.shape
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert not np.array_equal(first, view_of(pixels, 3, "abc"))
    assert not np.array_equal(first, view_of(pixels, 2, "xyz"))
    assert np.array_equal(view_of(pixels[1:2], 2, "b")[0], first[1])


def test_a_crop_is_a_part_of_the_picture() -> None:
    """Brightness that grows to the right and downwards tells from where a part was taken."""
    ramp = np.linspace(0, 255, 40).astype(np.uint8)
    picture = np.stack([np.tile(ramp, (40, 1)), np.tile(ramp[:, None], (1, 40)), np.zeros((40, 40), np.uint8)], axis=-1)
    for number in range(20):
        crop = view_of(picture[None], 2, [str(number)])[0].astype(int)
        span = crop[:, :, 1].max() - crop[:, :, 1].min()
        assert 255 * (SMALLEST_CROP - 0.1) < span <= 255
        assert crop[:, :, 2].max() == 0
