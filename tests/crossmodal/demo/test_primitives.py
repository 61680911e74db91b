"""Outlines against what one can work out by hand."""

import math
from random import Random

import numpy as np
import pytest

from crossmodal.demo.primitives import Placement, box, ellipse, mirrored, pattern_layer, rounded, smooth, stroke
from crossmodal.demo.shapes import SHAPES
from crossmodal.demo.vocabulary import COLOURS, PATTERNS


def area_of(path: list[tuple[float, float]]) -> float:
    return abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(path, path[1:] + path[:1], strict=True))) / 2


def test_an_ellipse_has_its_area() -> None:
    assert area_of(ellipse((3, -2), (2, 0.5), steps=400)) == pytest.approx(math.pi, rel=1e-3)


def test_an_arc_starts_and_stops_at_its_angles() -> None:
    arc = ellipse((0, 0), (2, 1), start_deg=0, stop_deg=90)
    assert arc[0] == pytest.approx((2, 0))
    assert arc[-1] == pytest.approx((0, 1))


def test_rounding_takes_the_corners_off() -> None:
    square = box(0, 0, 2, 2)
    # Between a corner and its quadratic curve lies a third of the triangle that a straight cut would take: 4 x 0.5 x 1/3.
    assert area_of(rounded(square, 1.0, steps=200)) == pytest.approx(4 - 4 * 0.5 / 3, rel=1e-3)
    assert area_of(rounded(square, 0.0)) == pytest.approx(4)


def test_a_radius_is_never_more_than_half_a_side() -> None:
    assert rounded(box(0, 0, 2, 2), 50.0) == rounded(box(0, 0, 2, 2), 1.0)


def test_a_smooth_curve_passes_through_its_points() -> None:
    points = [(0.0, 0.0), (1.0, 2.0), (3.0, 1.0), (4.0, -1.0)]
    for closed in (True, False):
        curve = smooth(points, closed=closed, steps=4)
        assert [min(math.dist(point, other) for other in curve) for point in points] == pytest.approx([0.0] * 4)


def test_a_stroke_has_the_width_of_its_line() -> None:
    assert sorted(stroke([(0, 0), (3, 0), (3, 0)], 0.5)) == [(0, -0.25), (0, 0.25), (3, -0.25), (3, 0.25)]
    ring = stroke(ellipse((0, 0), (2, 2), steps=400), 0.5)
    assert area_of(ring) == pytest.approx(2 * math.pi * 2 * 0.5, rel=1e-2)


def test_mirrored_is_symmetric() -> None:
    path = mirrored([(0.5, -1), (1, 0), (0.2, 1)])
    assert sorted(path) == sorted((-x, y) for x, y in path)


def test_a_placement_turns_scales_and_shifts() -> None:
    moved = Placement(90, scale=2, shift=(10, 20)).apply([(1, 0), (0, 1)])
    assert moved[0] == pytest.approx((10, 22))
    assert moved[1] == pytest.approx((8, 20))


SIDE_PX = 600
MODEL_PX = 64
SMALLEST_SCALE_PX = 190  # half the width of a small thing, in a layer of SIDE_PX
ACCENT_SHARE = {"plain": (0, 0), "striped": (0.35, 0.5), "dotted": (0.18, 0.4), "checked": (0.42, 0.58)}


def layer(pattern: str, *, cell: float = 1.0, seed: int = 0) -> np.ndarray:
    rng = Random(seed)
    placement = Placement(rng.uniform(-50, 50), SMALLEST_SCALE_PX, (SIDE_PX / 2, SIDE_PX / 2))
    picture = pattern_layer(SIDE_PX, pattern, colour=COLOURS[0], placement=placement, cell=cell, rng=rng)
    return np.asarray(picture, dtype=int)


@pytest.mark.parametrize("pattern", [pattern.name for pattern in PATTERNS])
@pytest.mark.parametrize("seed", range(5))
def test_colour_and_accent_share_the_cloth(pattern: str, seed: int) -> None:
    drawn = layer(pattern, seed=seed)[100:500, 100:500]
    is_accent = (drawn == COLOURS[0].accent).all(axis=-1)
    assert (is_accent | (drawn == COLOURS[0].rgb).all(axis=-1)).all()
    low, high = ACCENT_SHARE[pattern]
    assert low <= is_accent.mean() <= high


@pytest.mark.parametrize("pattern", ["striped", "dotted", "checked"])
def test_the_smallest_pattern_stays_visible_to_a_model(pattern: str) -> None:
    cell = min(shape.pattern_scale for shape in SHAPES.values())
    drawn = layer(pattern, cell=cell)
    edges = np.linspace(0, SIDE_PX, MODEL_PX + 1).astype(int)
    rows = np.add.reduceat(drawn, edges[:-1], axis=0) / np.diff(edges)[:, None, None]
    small = np.add.reduceat(rows, edges[:-1], axis=1) / np.diff(edges)[None, :, None]
    for colour in (COLOURS[0].rgb, COLOURS[0].accent):
        assert (np.abs(small[16:48, 16:48] - colour).max(axis=-1) < 30).mean() > 0.05


def test_an_unknown_pattern_is_refused() -> None:
    with pytest.raises(KeyError, match="tartan"):
        layer("tartan")
