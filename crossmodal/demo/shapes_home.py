"""Drawings of things for the home."""

from random import Random

from crossmodal.demo.geometry import box, ellipse, mirrored, rounded, smooth
from crossmodal.demo.parts import Paint, Part, area, line


def mug(rng: Random) -> list[Part]:
    """A mug seen slightly from above, its handle to the right."""
    wide, foot = rng.uniform(0.6, 0.7), rng.uniform(0.86, 0.96)
    grip = rng.uniform(0.28, 0.36)
    bottom = ellipse((0, 0.72), (wide * foot, 0.13), start_deg=0, stop_deg=180)
    return [
        line(ellipse((wide - 0.04, 0.03), (grip, 0.37), start_deg=-82, stop_deg=82), 0.17, Paint.CLOTH),
        area([(-wide, -0.66), (wide, -0.66), *bottom]),
        area(ellipse((0, -0.66), (wide, 0.15)), Paint.PALE),
        area(ellipse((0, -0.645), (wide - 0.06, 0.11)), Paint.DARK),
        line([(-wide + 0.16, -0.36), (-wide * foot + 0.15, 0.5)], 0.07, Paint.SHINE),
    ]


def bottle(rng: Random) -> list[Part]:
    """A drinking bottle with a screw cap and a carrying loop."""
    wide, neck = rng.uniform(0.36, 0.44), rng.uniform(0.17, 0.22)
    body = smooth([(neck, -0.52), (neck + 0.02, -0.46), (wide * 0.92, -0.26), (wide, -0.05)], closed=False)
    foot = rounded([(wide, 0.6), (wide, 1.0), (-wide, 1.0), (-wide, 0.6)], [0, 0.12, 0.12, 0])
    left = [(-x, y) for x, y in reversed(body)]
    return [
        line(ellipse((0, -0.86), (0.17, 0.14), start_deg=180, stop_deg=360), 0.07, Paint.DARK),
        area([*body, *foot, *left]),
        area(rounded(box(-neck - 0.05, -0.86, neck + 0.05, -0.5), 0.06), Paint.DARK),
        line([(-neck - 0.02, -0.6), (neck + 0.02, -0.6)], 0.035, Paint.METAL),
        line([(-wide + 0.12, -0.02), (-wide + 0.12, 0.74)], 0.07, Paint.SHINE),
    ]


def lamp(rng: Random) -> list[Part]:
    """A table lamp: shade, turned wooden foot."""
    top, low = rng.uniform(0.36, 0.48), rng.uniform(0.76, 0.86)
    edge = rng.uniform(0.2, 0.28)
    rim = ellipse((0, edge), (low, 0.1), start_deg=0, stop_deg=180)
    return [
        area(rounded([(-0.4, 0.87), (0.4, 0.87), (0.44, 1.0), (-0.44, 1.0)], [0.08, 0.08, 0.03, 0.03]), Paint.WOOD),
        area(smooth(mirrored([(0.07, 0.1), (0.08, 0.4), (0.2, 0.64), (0.15, 0.84), (0.1, 0.9)])), Paint.WOOD),
        line([(-0.1, 0.87), (0.1, 0.87)], 0.03),
        area([*ellipse((0, -0.95), (top, 0.07), start_deg=180, stop_deg=360), *rim]),
        line(ellipse((0, edge - 0.02), (low - 0.03, 0.1), start_deg=6, stop_deg=174), 0.04),
        line([(-top + 0.1, -0.84), (-low + 0.2, edge - 0.12)], 0.06, Paint.SHINE),
    ]


def armchair(rng: Random) -> list[Part]:
    """An upholstered armchair from the front."""
    high, arm = rng.uniform(-0.95, -0.8), rng.uniform(0.24, 0.3)
    back, inner = rng.uniform(0.2, 0.45), 0.92 - arm
    seat = rounded(box(-0.68, 0.14, 0.68, 0.44), 0.12)
    arms = [rounded(box(s * 0.92, -0.12, s * inner, 0.8), [0.13, 0.13, 0.06, 0.08]) for s in (-1, 1)]
    return [
        *(line([(side * 0.66, 0.7), (side * 0.72, 0.98)], 0.1, Paint.WOOD) for side in (-1, 1)),
        area(rounded([(-0.72, high), (0.72, high), (0.76, 0.5), (-0.76, 0.5)], [back, back, 0.05, 0.05])),
        area(rounded(box(-inner - 0.07, 0.02, inner + 0.07, 0.3), 0.08), Paint.SHADE),
        *(line([(side * (inner - 0.02), -0.06), (side * (inner - 0.02), 0.3)], 0.09, Paint.SHADE) for side in (-1, 1)),
        area(rounded(box(-0.7, 0.3, 0.7, 0.8), 0.05)),
        line([(-inner, 0.47), (inner, 0.47)], 0.08, Paint.SHADE),
        area(seat),
        *(area(path) for path in arms),
        *(line([(s * (inner + 0.02), 0.74), (s * (inner + 0.02), 0.02)], 0.03) for s in (-1, 1)),
    ]


def teapot(rng: Random) -> list[Part]:
    """A round teapot, spout to the left, handle to the right."""
    wide, tall = rng.uniform(0.58, 0.64), rng.uniform(0.5, 0.56)
    handle = ellipse((wide - 0.06, 0.08), (0.36, 0.34), start_deg=-95, stop_deg=85)
    below = [(-0.4, 0.42), (-0.72, 0.22), (-0.84, -0.16), (-1.02, -0.3)]
    above = [(-0.88, -0.38), (-0.68, -0.24), (-0.56, -0.04), (-0.4, 0.0)]
    lid = ellipse((0, -0.38), (0.34, 0.2), start_deg=180, stop_deg=360)
    lid_rim = ellipse((0, -0.38), (0.34, 0.06), start_deg=0, stop_deg=180)
    return [
        line(handle, 0.14, Paint.CLOTH),
        area(smooth([*below, *above])),
        area(rounded(box(-0.36, 0.5, 0.36, 0.68), 0.06), Paint.DARK),
        area(ellipse((0, 0.12), (wide, tall))),
        area(ellipse((0, -0.36), (0.36, 0.1)), Paint.SHADE),
        area([*lid, *lid_rim]),
        area(ellipse((0, -0.64), (0.1, 0.1)), Paint.DARK),
        line(ellipse((0, 0.12), (wide - 0.13, tall - 0.13), start_deg=190, stop_deg=245), 0.07, Paint.SHINE),
    ]


def cushion(rng: Random) -> list[Part]:
    """A square cushion with drawn-in sides and piping."""
    pinch = rng.uniform(0.76, 0.82)
    corner = [(pinch + 0.01, -0.5), (0.9, -0.86), (0.86, -0.9), (0.5, -pinch - 0.01)]
    quarter_turns = [corner, [(-y, x) for x, y in corner], [(-x, -y) for x, y in corner], [(y, -x) for x, y in corner]]
    # Clockwise from the middle of the right side, so each corner is walked against the order in which it is written.
    outline = smooth([point for turned in quarter_turns for point in reversed(turned)])
    inner = [(x * 0.91, y * 0.91) for x, y in outline]
    return [
        area(outline),
        line([*inner, inner[0]], 0.03),
        line(smooth([(-0.66, -0.6), (-0.46, -0.52), (-0.34, -0.36)], closed=False), 0.045),
        line(smooth([(0.66, 0.6), (0.46, 0.52), (0.34, 0.36)], closed=False), 0.045),
    ]
