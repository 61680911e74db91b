import numpy as np
import pytest
from PIL import Image

from crossmodal.images.pixels import fitted, jpeg, on_white, shrink, square, with_colours
from tests.images.drawing import corners


def as_rgb(image: Image.Image, need: float = 1.0) -> Image.Image:
    return on_white(shrink(with_colours(image), need))


def test_what_shows_through_is_white_and_half_of_it_is_half() -> None:
    image = Image.new("RGBA", (3, 1), (255, 0, 255, 0))
    image.putpixel((1, 0), (0, 0, 0, 128))
    image.putpixel((2, 0), (10, 20, 30, 255))
    assert [as_rgb(image).getpixel((x, 0)) for x in range(3)] == [(255, 255, 255), (127, 127, 127), (10, 20, 30)]
    assert as_rgb(Image.new("LA", (1, 1), (0, 0))).getpixel((0, 0)) == (255, 255, 255)


def test_hidden_colours_do_not_bleed_into_what_is_averaged() -> None:
    image = Image.new("RGBA", (64, 64), (255, 0, 255, 0))
    image.paste((0, 0, 0, 255), (0, 0, 31, 64))
    small = square(as_rgb(image, need=0.1), 8)
    assert int(np.ptp(np.asarray(small).astype(int), axis=2).max()) == 0  # grey all over: no magenta


@pytest.mark.parametrize("need", [1.0, 0.1])
def test_sixteen_bits_of_grey_are_scaled_and_not_clipped(need: float) -> None:
    ramp = np.repeat(np.linspace(0, 65_535, 256).round().astype(np.uint16)[None], 8, axis=0).repeat(8, axis=1)
    for image in (Image.fromarray(ramp), Image.fromarray(ramp.astype(np.int32))):
        got = np.asarray(as_rgb(image, need).resize((256, 1), Image.Resampling.BOX))[0, :, 0].astype(int)
        assert np.abs(got - np.arange(256)).max() <= (1 if need == 1.0 else 2)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "PA", "LA"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    for need in (1.0, 0.05):
        assert as_rgb(Image.new(mode, (40, 30)), need).mode == "RGB"


def test_shrinking_leaves_twice_the_need_and_averages() -> None:
    assert shrink(corners(), 0.5).size == (240, 160)
    assert shrink(corners(), 0.26).size == (240, 160)
    assert shrink(corners(), 0.1).size == (48, 32)
    checks = Image.fromarray((np.indices((100, 100)).sum(axis=0) % 2 * 255).astype(np.uint8))
    assert set(np.asarray(shrink(checks, 0.25)).ravel().tolist()) <= {127, 128}


def plain_weights(size: int, low: float, high: float, side: int) -> np.ndarray:
    """Slow plain copy of an antialiased bilinear filter over one axis: a triangle as wide as two output pixels."""
    weights = np.zeros((side, size))
    scale = (high - low) / side
    reach = max(scale, 1.0)
    for place in range(side):
        centre = low + (place + 0.5) * scale
        for pixel in range(size):
            weights[place, pixel] = max(0.0, 1 - abs(pixel + 0.5 - centre) / reach)
        weights[place] /= weights[place].sum()
    return weights


@pytest.mark.parametrize("size", [(240, 160), (160, 240), (101, 50), (8, 8), (1, 300), (300, 1), (1, 1)])
@pytest.mark.parametrize("side", [8, 64])
def test_the_square_is_the_middle_of_the_picture_averaged(size: tuple[int, int], side: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    got = np.asarray(square(Image.fromarray(noise), side)).astype(float)
    ends = [((length - min(size)) / 2, (length + min(size)) / 2) for length in size]
    across, down = (plain_weights(length, *end, side) for length, end in zip(size, ends, strict=True))
    plain = np.einsum("yj,jic,xi->yxc", down, noise.astype(float), across, optimize=True)
    assert np.abs(got - plain).max() <= 1.5  # the filter rounds twice


def test_fitting_keeps_the_shape_and_never_enlarges() -> None:
    image = corners()
    assert fitted(image, 240) is image
    assert fitted(image, 512) is image
    assert fitted(image, 120).size == (120, 80)
    assert fitted(Image.new("RGB", (20_000, 2)), 256).size == (256, 1)
    assert fitted(Image.new("RGB", (1, 10_000)), 256).size == (1, 256)


def test_a_jpeg_is_a_jpeg() -> None:
    data = jpeg(corners())
    assert data[:3] == b"\xff\xd8\xff"
    assert data[-2:] == b"\xff\xd9"
