"""Outlines of flat drawings: paths of points in a square from -1 to 1, y pointing down, and where they land on a picture."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

Point = tuple[float, float]
Path = list[Point]


def box(left: float, top: float, right: float, bottom: float) -> Path:
    """The corners of an upright rectangle, clockwise from the upper left."""
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def ellipse(centre: Point, radii: Point, *, start_deg: float = 0.0, stop_deg: float = 360.0, steps: int = 48) -> Path:
    """Points along an ellipse, clockwise as seen (0 degrees points right, 90 down); an arc when the angles say so."""
    span = stop_deg - start_deg
    count = max(8, round(steps * abs(span) / 360))
    angles = (math.radians(start_deg + span * step / count) for step in range(count + 1))
    return [(centre[0] + radii[0] * math.cos(angle), centre[1] + radii[1] * math.sin(angle)) for angle in angles]


def rounded(corners: Sequence[Point], radius: float | Sequence[float], *, steps: int = 8) -> Path:
    """A polygon with its corners rounded by quadratic curves.

    Args:
        corners: at least three points.
        radius: how far from a corner its curve starts, one for all or one a corner; never more than half of a side.
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
