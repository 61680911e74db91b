"""Outlines of flat drawings: paths of points in a square from -1 to 1 with y pointing down, their placement, patterns, backgrounds."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from random import Random

from PIL import Image, ImageDraw

from crossmodal.demo.vocabulary import Colour, Rgb

Point = tuple[float, float]
Path = list[Point]


def box(left: float, top: float, right: float, bottom: float) -> Path:
    """The corners of an upright rectangle, clockwise from the upper left."""
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def ellipse(centre: Point, radii: Point, *, start_deg: float = 0.0, stop_deg: float = 360.0, steps: int = 48) -> Path:
    """Points along an ellipse, clockwise as seen (0 degrees points right, 90 down); an arc if the angles are less than 360
    degrees apart.
    """
    span = stop_deg - start_deg
    count = max(8, round(steps * abs(span) / 360))
    angles = (math.radians(start_deg + span * step / count) for step in range(count + 1))
    return [(centre[0] + radii[0] * math.cos(angle), centre[1] + radii[1] * math.sin(angle)) for angle in angles]


def rounded(corners: Sequence[Point], radius: float | Sequence[float], *, steps: int = 8) -> Path:
    """A polygon with its corners rounded by quadratic curves.

    Args:
        corners: at least three points.
        radius: how far from a corner its curve starts, one for all corners or one each; limited to half of a side.
    """
    radii = [radius] * len(corners) if isinstance(radius, int | float) else list(radius)
    path: Path = []
    for index, corner in enumerate(corners):
        before, after = corners[index - 1], corners[(index + 1) % len(corners)]
        start, stop = _towards(corner, before, radii[index]), _towards(corner, after, radii[index])
        path += [_quadratic(start, corner, stop, step / steps) for step in range(steps + 1)]
    return path


def smooth(points: Sequence[Point], *, closed: bool = True, steps: int = 8) -> Path:
    """A curve through all points: uniform Catmull-Rom, the ends doubled when it is open."""
    count = len(points)
    path: Path = []
    for index in range(count if closed else count - 1):
        a, b, c, d = (points[i % count] if closed else points[min(max(i, 0), count - 1)] for i in range(index - 1, index + 3))
        path += [_catmull_rom(a, b, c, d, step / steps) for step in range(steps)]
    return path if closed else [*path, points[-1]]


def mirrored(half: Sequence[Point]) -> Path:
    """A closed outline from its right half, listed from top to bottom."""
    return [*half, *((-x, y) for x, y in reversed(half))]


def stroke(path: Sequence[Point], width: float) -> Path:
    """The outline of a line of this width along a path of at least two different points; its ends are flat.

    The path must bend gently, as curves do: at a sharp corner the line would narrow.
    """
    points = [point for point, before in zip(path, [None, *path], strict=False) if point != before]
    left: Path = []
    right: Path = []
    for index, (x, y) in enumerate(points):
        (x0, y0), (x1, y1) = points[max(index - 1, 0)], points[min(index + 1, len(points) - 1)]
        reach = width / 2 / (math.hypot(x1 - x0, y1 - y0) or 1.0)
        dx, dy = (y0 - y1) * reach, (x1 - x0) * reach
        left.append((x + dx, y + dy))
        right.append((x - dx, y - dy))
    return [*left, *reversed(right)]


def _towards(start: Point, goal: Point, distance: float) -> Point:
    length = math.dist(start, goal)
    share = min(0.5, distance / length) if length else 0.0
    return (start[0] + (goal[0] - start[0]) * share, start[1] + (goal[1] - start[1]) * share)


def _quadratic(start: Point, control: Point, stop: Point, t: float) -> Point:
    a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t**2
    return (a * start[0] + b * control[0] + c * stop[0], a * start[1] + b * control[1] + c * stop[1])


def _catmull_rom(a: Point, b: Point, c: Point, d: Point, t: float) -> Point:
    def along(p: float, q: float, r: float, s: float) -> float:
        return 0.5 * (2 * q + (r - p) * t + (2 * p - 5 * q + 4 * r - s) * t**2 + (3 * q - p - 3 * r + s) * t**3)

    return (along(a[0], b[0], c[0], d[0]), along(a[1], b[1], c[1], d[1]))


@dataclass(frozen=True, slots=True)
class Placement:
    """Turn, scale, then shift: from the drawing's square to pixels."""

    angle_deg: float
    scale: float = 1.0
    shift: Point = (0.0, 0.0)

    def apply(self, path: Sequence[Point]) -> Path:
        """The path in pixels."""
        cos = math.cos(math.radians(self.angle_deg)) * self.scale
        sin = math.sin(math.radians(self.angle_deg)) * self.scale
        dx, dy = self.shift
        return [(x * cos - y * sin + dx, x * sin + y * cos + dy) for x, y in path]


class Paint(Enum):
    """How a part is filled. `CLOTH` carries the item's colour and pattern; tones darken or lighten what lies below."""

    CLOTH = auto()
    DARK = auto()
    METAL = auto()
    WOOD = auto()
    PALE = auto()
    CREASE = auto()
    SHADE = auto()
    SHINE = auto()


TONES = frozenset({Paint.CREASE, Paint.SHADE, Paint.SHINE})


@dataclass(frozen=True, slots=True)
class Part:
    """One painted form: the area inside `path`, or, with a `width`, a line of that width along it with round ends."""

    path: Path
    paint: Paint
    width: float = 0.0


def area(path: Sequence[Point], paint: Paint = Paint.CLOTH) -> Part:
    """The area inside a closed path."""
    return Part(list(path), paint)


def line(path: Sequence[Point], width: float, paint: Paint = Paint.CREASE) -> Part:
    """A line along an open path."""
    return Part(list(path), paint, width)


REACH = 1.5  # no shape extends further from its centre, including the guitar's head
STRIPE_PITCH, STRIPE_WIDTH = 0.46, 0.2
STRIPE_ANGLES_DEG = (0.0, 0.0, 90.0, 40.0)
DOT_PITCH, DOT_RADIUS, DOT_STEPS = 0.44, 0.125, 24
ROW_SHARE = 0.87  # height of an equilateral triangle over its side: dots have equal distances
CHECK_SIDE = 0.25


def pattern_layer(size_px: int, pattern: str, *, colour: Colour, placement: Placement, cell: float, rng: Random) -> Image.Image:
    """A square picture filled with a pattern, rotated and scaled like the thing it is painted on.

    Args:
        size_px: width and height.
        pattern: usual name of the pattern.
        cell: size of the pattern's cells; 1.0 suits a thing as wide as the drawing's square.

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
"""Backgrounds of white things, which would not stand out on pastels."""

PALE_FROM = 225


def background(size_px: int, colour: Rgb, *, rng: Random) -> Image.Image:
    """A square background picture for a thing of this colour."""
    tint = rng.choice(MIDTONES if min(colour) >= PALE_FROM else PASTELS)
    return rng.choice(BACKGROUNDS)(size_px, tint, rng)


def _plain_ground(size_px: int, tint: Rgb, _rng: Random) -> Image.Image:
    return Image.new("RGB", (size_px, size_px), tint)


def _gradient(size_px: int, tint: Rgb, rng: Random) -> Image.Image:
    ramp = Image.linear_gradient("L").rotate(rng.choice((0, 90, 180))).resize((size_px, size_px))
    return Image.composite(_plain_ground(size_px, _shifted(tint, 12), rng), _plain_ground(size_px, _shifted(tint, -14), rng), ramp)


def _wall_and_floor(size_px: int, tint: Rgb, rng: Random) -> Image.Image:
    picture = _plain_ground(size_px, tint, rng)
    edge = rng.uniform(0.6, 0.78) * size_px
    ImageDraw.Draw(picture).rectangle((0, edge, size_px, size_px), fill=_shifted(tint, -18))
    return picture


def _disc(size_px: int, tint: Rgb, rng: Random) -> Image.Image:
    picture = _plain_ground(size_px * 2, tint, rng)
    radius = rng.uniform(0.38, 0.46) * size_px * 2
    ImageDraw.Draw(picture).ellipse(
        (size_px - radius, size_px - radius, size_px + radius, size_px + radius), fill=_shifted(tint, 12)
    )
    return picture.reduce(2)


def _linen(size_px: int, tint: Rgb, rng: Random) -> Image.Image:
    picture = _plain_ground(size_px, tint, rng)
    draw = ImageDraw.Draw(picture)
    for offset in range(0, size_px, 4):
        draw.line((offset, 0, offset, size_px), fill=_shifted(tint, -4))
    for offset in range(0, size_px, 4):
        draw.line((0, offset, size_px, offset), fill=_shifted(tint, 4))
    return picture


def _shifted(tint: Rgb, amount: int) -> Rgb:
    red, green, blue = (max(0, min(255, value + amount)) for value in tint)
    return (red, green, blue)


BACKGROUNDS: tuple[Callable[[int, Rgb, Random], Image.Image], ...] = (_plain_ground, _gradient, _wall_and_floor, _disc, _linen)
