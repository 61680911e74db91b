"""Calm backgrounds that a thing of a given colour stands out from."""

from collections.abc import Callable
from random import Random

from PIL import Image, ImageDraw

from crossmodal.demo.vocabulary import Rgb

PASTELS: tuple[Rgb, ...] = (
    (228, 220, 206),
    (208, 218, 232),
    (232, 212, 206),
    (206, 224, 212),
    (220, 212, 232),
    (234, 222, 190),
    (198, 220, 226),
    (218, 220, 222),
    (190, 204, 218),
    (214, 202, 186),
)
MIDTONES: tuple[Rgb, ...] = (
    (120, 146, 168),
    (146, 162, 140),
    (182, 146, 132),
    (150, 140, 170),
    (128, 160, 162),
    (170, 158, 138),
    (140, 148, 160),
)
"""Behind white things, which pastels would swallow."""

PALE_FROM = 225


def background(size_px: int, colour: Rgb, *, rng: Random) -> Image.Image:
    """A square picture to stand behind a thing of this colour."""
    tint = rng.choice(MIDTONES if min(colour) >= PALE_FROM else PASTELS)
    return rng.choice(BACKGROUNDS)(size_px, tint, rng)


def _plain(size_px: int, tint: Rgb, _rng: Random) -> Image.Image:
    return Image.new("RGB", (size_px, size_px), tint)


def _gradient(size_px: int, tint: Rgb, rng: Random) -> Image.Image:
    ramp = Image.linear_gradient("L").rotate(rng.choice((0, 90, 180))).resize((size_px, size_px))
    return Image.composite(_plain(size_px, _shifted(tint, 12), rng), _plain(size_px, _shifted(tint, -14), rng), ramp)


def _wall_and_floor(size_px: int, tint: Rgb, rng: Random) -> Image.Image:
    picture = _plain(size_px, tint, rng)
    edge = rng.uniform(0.6, 0.78) * size_px
    ImageDraw.Draw(picture).rectangle((0, edge, size_px, size_px), fill=_shifted(tint, -18))
    return picture


def _disc(size_px: int, tint: Rgb, rng: Random) -> Image.Image:
    picture = _plain(size_px * 2, tint, rng)
    radius = rng.uniform(0.38, 0.46) * size_px * 2
    ImageDraw.Draw(picture).ellipse(
        (size_px - radius, size_px - radius, size_px + radius, size_px + radius), fill=_shifted(tint, 12)
    )
    return picture.reduce(2)


def _linen(size_px: int, tint: Rgb, rng: Random) -> Image.Image:
    picture = _plain(size_px, tint, rng)
    draw = ImageDraw.Draw(picture)
    for offset in range(0, size_px, 4):
        draw.line((offset, 0, offset, size_px), fill=_shifted(tint, -4))
    for offset in range(0, size_px, 4):
        draw.line((0, offset, size_px, offset), fill=_shifted(tint, 4))
    return picture


def _shifted(tint: Rgb, amount: int) -> Rgb:
    red, green, blue = (max(0, min(255, value + amount)) for value in tint)
    return (red, green, blue)


BACKGROUNDS: tuple[Callable[[int, Rgb, Random], Image.Image], ...] = (_plain, _gradient, _wall_and_floor, _disc, _linen)
