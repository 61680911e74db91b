"""What is drawn is what the combination says: right colour, inside the picture, told apart from its background."""

from random import Random

import numpy as np
import pytest
from PIL import Image

from crossmodal.demo.drawing import OVERSAMPLE, PICTURE_PX, draw_picture, place, silhouette_of
from crossmodal.demo.shapes import SHAPES
from crossmodal.demo.vocabulary import COLOURS, KINDS, PATTERNS, Colour, Combination, Kind, Pattern

NEAR = 45.0
PLAIN = PATTERNS[0]


def mask_of(kind: Kind, rng: Random) -> np.ndarray:
    """(PICTURE_PX, PICTURE_PX) bool: pixels that the thing covers wholly; uses `rng` as drawing does."""
    shape = SHAPES[kind.name]
    parts = shape.draw(rng)
    mask = silhouette_of(parts, place(parts, tilt_deg=shape.tilt_deg, rng=rng))
    return np.asarray(mask.reduce(OVERSAMPLE)) == 255


def distance(pixels: np.ndarray, colour: Colour) -> np.ndarray:
    return np.linalg.norm(pixels - np.array(colour.rgb), axis=-1)


def drawn(shown: Combination, seed: str) -> np.ndarray:
    return np.asarray(draw_picture(shown, Random(seed)), dtype=float)


def test_every_kind_has_a_drawing() -> None:
    assert set(SHAPES) == {kind.name for kind in KINDS}


def test_a_picture_is_square_and_rgb() -> None:
    picture = draw_picture(Combination(KINDS[0], COLOURS[0], PLAIN), Random(1))
    assert isinstance(picture, Image.Image)
    assert (picture.size, picture.mode) == ((PICTURE_PX, PICTURE_PX), "RGB")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_named_colour_is_the_main_colour_of_the_thing(kind: Kind) -> None:
    for colour in COLOURS:
        seed = f"{kind.name} {colour.name}"
        pixels = drawn(Combination(kind, colour, PLAIN), seed)[mask_of(kind, Random(seed))]
        shares = {other.name: float((distance(pixels, other) < NEAR).mean()) for other in COLOURS}
        assert shares[colour.name] > 0.35, shares
        assert max(shares, key=lambda name: shares[name]) == colour.name, shares


@pytest.mark.parametrize("pattern", PATTERNS[1:], ids=lambda pattern: pattern.name)
def test_a_pattern_leaves_the_named_colour_in_front(pattern: Pattern) -> None:
    for number, kind in enumerate(KINDS):
        colour = COLOURS[number % len(COLOURS)]
        seed = f"{kind.name} {number}"
        pixels = drawn(Combination(kind, colour, pattern), seed)[mask_of(kind, Random(seed))]
        # White is left out of the race: it is the accent of every other colour.
        shares = {other.name: float((distance(pixels, other) < NEAR).mean()) for other in COLOURS if other.name != "white"}
        if colour.name == "white":
            shares["white"] = float((distance(pixels, colour) < NEAR).mean())
        assert max(shares, key=lambda name: shares[name]) == colour.name, (kind.name, shares)
        assert shares[colour.name] > 0.15, (kind.name, shares)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_whole_thing_is_inside_and_large_enough(kind: Kind) -> None:
    for seed in range(8):
        mask = mask_of(kind, Random(seed))
        assert not mask[[0, -1], :].any()
        assert not mask[:, [0, -1]].any()
        assert 0.08 < mask.mean() < 0.75


@pytest.mark.parametrize("colour", COLOURS, ids=lambda colour: colour.name)
def test_a_thing_stands_out_from_its_background(colour: Colour) -> None:
    for seed in range(12):
        picture = drawn(Combination(KINDS[seed % len(KINDS)], colour, PLAIN), str(seed))
        border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
        assert np.median(distance(border, colour)) > 60


def test_pictures_of_one_combination_differ() -> None:
    shown = Combination(KINDS[3], COLOURS[4], PATTERNS[1])
    pictures = {draw_picture(shown, Random(seed)).tobytes() for seed in range(10)}
    assert len(pictures) == 10


def test_the_same_seed_draws_the_same_pixels() -> None:
    shown = Combination(KINDS[12], COLOURS[8], PATTERNS[2])
    assert draw_picture(shown, Random("a")).tobytes() == draw_picture(shown, Random("a")).tobytes()
