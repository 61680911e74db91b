import numpy as np
import pytest
import torch

from crossmodal.images.transforms import MEAN, STD, to_model_input


@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (3, 8, 8, 3), (2, 33, 33, 3), (0, 8, 8, 3)])
def test_every_value_is_the_one_of_a_plain_copy(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    batch = to_model_input(pixels)
    assert batch.shape == (shape[0], 3, shape[1], shape[2])
    assert batch.dtype == torch.float32
    for n, y, x, channel in np.ndindex(*shape):
        plain = (int(pixels[n, y, x, channel]) / 255 - MEAN[channel]) / STD[channel]
        assert abs(batch[n, channel, y, x].item() - plain) < 1e-5


def test_the_memory_is_channels_last() -> None:
    assert to_model_input(np.zeros((2, 8, 8, 3), np.uint8)).is_contiguous(memory_format=torch.channels_last)


def test_the_pixels_are_left_alone_even_when_they_cannot_be_written() -> None:
    pixels = np.full((1, 4, 4, 3), 7, np.uint8)
    pixels.setflags(write=False)
    to_model_input(pixels)
    assert (pixels == 7).all()


@pytest.mark.parametrize(
    "pixels", [np.zeros((4, 4, 3), np.uint8), np.zeros((1, 4, 4, 4), np.uint8), np.zeros((1, 4, 4, 3), np.float32)]
)
def test_other_shapes_and_types_are_refused(pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected"):
        to_model_input(pixels)
