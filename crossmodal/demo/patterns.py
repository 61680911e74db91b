"""The four patterns: each is a list of areas in the accent colour, laid over the whole picture; parts are then cut out of it."""

from collections.abc import Callable
from random import Random

from PIL import Image, ImageDraw

from crossmodal.demo.geometry import Path, Placement, box, ellipse
from crossmodal.demo.vocabulary import Colour

REACH = 1.5  # nothing reaches further from its centre, the guitar's head included
STRIPE_PITCH, STRIPE_WIDTH = 0.46, 0.2
STRIPE_ANGLES_DEG = (0.0, 0.0, 90.0, 40.0)
DOT_PITCH, DOT_RADIUS, DOT_STEPS = 0.44, 0.125, 24
ROW_SHARE = 0.87  # height of an equilateral triangle over its side: dots stand at equal distances
CHECK_SIDE = 0.25


def pattern_layer(size_px: int, pattern: str, *, colour: Colour, placement: Placement, cell: float, rng: Random) -> Image.Image:
    """A square picture filled with a pattern, turned and scaled with the thing that will wear it.

    Args:
        size_px: width and height.
        pattern: usual name of the pattern.
        cell: size of the pattern's cells, 1.0 for a thing as wide as the drawing's square.

    Raises:
        KeyError: there is no such pattern.
    """
    layer = Image.new("RGB", (size_px, size_px), colour.rgb)
    draw = ImageDraw.Draw(layer)
    for path in ACCENTS[pattern](cell, rng):
        draw.polygon(placement.apply(path), fill=colour.accent)
    return layer


def _plain(_cell: float, _rng: Random) -> list[Path]:
    return []


def _stripes(cell: float, rng: Random) -> list[Path]:
    turn, pitch = Placement(rng.choice(STRIPE_ANGLES_DEG)), STRIPE_PITCH * cell
    phase, count = rng.random(), int(REACH / pitch) + 2
    tops = [(number + phase) * pitch for number in range(-count, count)]
    return [turn.apply(box(-REACH, top, REACH, top + STRIPE_WIDTH * cell)) for top in tops]


def _dots(cell: float, rng: Random) -> list[Path]:
    pitch, radius = DOT_PITCH * cell, DOT_RADIUS * cell
    left, top = rng.random() * pitch, rng.random() * pitch
    columns, rows = int(REACH / pitch) + 1, int(REACH / (pitch * ROW_SHARE)) + 1
    dot = ellipse((left, top), (radius, radius), steps=DOT_STEPS)
    return [
        [(x + (column + row % 2 / 2) * pitch, y + row * pitch * ROW_SHARE) for x, y in dot]
        for row in range(-rows, rows + 1)
        for column in range(-columns, columns + 1)
    ]


def _checks(cell: float, rng: Random) -> list[Path]:
    side = CHECK_SIDE * cell
    left, top = rng.random() * side, rng.random() * side
    count = int(REACH / side) + 1
    return [
        box(left + column * side, top + row * side, left + (column + 1) * side, top + (row + 1) * side)
        for row in range(-count, count)
        for column in range(-count + row % 2, count, 2)
    ]


ACCENTS: dict[str, Callable[[float, Random], list[Path]]] = {
    "plain": _plain,
    "striped": _stripes,
    "dotted": _dots,
    "checked": _checks,
}
"""The accent's areas in the drawing's coordinates, from the size of a cell; by the usual name of the pattern."""
