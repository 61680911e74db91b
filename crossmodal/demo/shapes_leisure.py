"""Drawings of things for leisure and travel."""

from random import Random

from crossmodal.demo.geometry import Path, box, ellipse, mirrored, rounded, smooth
from crossmodal.demo.parts import Paint, Part, area, line


def umbrella(rng: Random) -> list[Part]:
    """An open umbrella with a hooked handle."""
    tall, panels = rng.uniform(0.78, 0.9), rng.choice((4, 6))
    base, wide = -0.02, 0.98
    dome = ellipse((0, base), (wide, tall), start_deg=180, stop_deg=360)
    step = 2 * wide / panels
    edges = [wide - step * i for i in range(panels + 1)]
    scallops: Path = []
    for i in range(panels):
        scallops += ellipse((edges[i] - step / 2, base), (step / 2, 0.09), start_deg=0, stop_deg=-180)
    hook = ellipse((0.15, 0.8), (0.15, 0.17), start_deg=180, stop_deg=20)
    return [
        line([(0, -tall - 0.12), (0, 0.8)], 0.06, Paint.METAL),
        line([(0, 0.62), (0, 0.8), *hook], 0.1, Paint.WOOD),
        area([*dome, *scallops]),
        *(line(smooth([(0, base - tall), (x * 0.72, base - tall * 0.55), (x, base)], closed=False), 0.03) for x in edges[1:-1]),
    ]


def ball(rng: Random) -> list[Part]:
    """A ball with curved seams and a highlight."""
    bend = rng.uniform(0.3, 0.5)
    return [
        area(ellipse((0, 0), (0.95, 0.95), steps=72)),
        line(smooth([(-0.62, -0.7), (-0.62 + bend, 0), (-0.62, 0.7)], closed=False), 0.04),
        line(smooth([(0.62, -0.7), (0.62 - bend, 0), (0.62, 0.7)], closed=False), 0.04),
        area(ellipse((-0.38, -0.5), (0.2, 0.13)), Paint.SHINE),
    ]


def book(rng: Random) -> list[Part]:
    """A bound book, front cover up, its pages showing to the right and below."""
    wide, tall = rng.uniform(0.6, 0.7), rng.uniform(0.86, 0.94)
    top = rng.uniform(-0.58, -0.4)
    label = rounded(box(-wide + 0.42, top, wide - 0.2, top + 0.36), 0.05)
    ribbon, low = wide - 0.16, tall + 0.2
    return [
        area(rounded(box(-wide, -tall + 0.1, wide + 0.12, tall + 0.08), 0.06)),
        area(rounded(box(-wide + 0.04, -tall + 0.06, wide + 0.07, tall + 0.03), 0.03), Paint.PALE),
        area(rounded(box(-wide, -tall, wide, tall - 0.06), [0.08, 0.05, 0.05, 0.08])),
        line([(-wide + 0.2, -tall + 0.03), (-wide + 0.2, tall - 0.1)], 0.05),
        area(label, Paint.PALE),
        line([*label, label[0]], 0.035),
        line([(-wide + 0.54, top + 0.13), (wide - 0.32, top + 0.13)], 0.05, Paint.DARK),
        line([(-wide + 0.54, top + 0.25), (wide - 0.48, top + 0.25)], 0.04, Paint.DARK),
        area([*box(ribbon - 0.06, tall - 0.08, ribbon + 0.06, low)[:3], (ribbon, low - 0.06), (ribbon - 0.06, low)], Paint.DARK),
    ]


def guitar(rng: Random) -> list[Part]:
    """An acoustic guitar: a waisted body, dark neck and strings."""
    hips, waist = rng.uniform(0.58, 0.64), rng.uniform(0.36, 0.41)
    body = smooth(mirrored([(0.16, -0.3), (0.42, -0.16), (waist, 0.2), (hips, 0.56), (0.36, 0.94)]))
    strings = [line([(x, -0.94), (x * 1.3, 0.68)], 0.014, Paint.PALE) for x in (-0.05, 0.0, 0.05)]
    pegs = [line([(-0.17, y), (0.17, y)], 0.06, Paint.METAL) for y in (-1.2, -1.06)]
    return [
        area(body),
        area(ellipse((0, 0.2), (0.21, 0.21)), Paint.PALE),
        area(ellipse((0, 0.2), (0.17, 0.17)), Paint.DARK),
        area([(-0.09, -1.0), (0.09, -1.0), (0.1, 0.1), (-0.1, 0.1)], Paint.WOOD),
        *pegs,
        area(rounded([(-0.12, -1.28), (0.12, -1.28), (0.1, -0.96), (-0.1, -0.96)], 0.05), Paint.WOOD),
        area(rounded(box(-0.22, 0.64, 0.22, 0.74), 0.04), Paint.DARK),
        *strings,
    ]


def backpack(rng: Random) -> list[Part]:
    """A school backpack from the front."""
    wide, top = rng.uniform(0.6, 0.68), rng.uniform(0.34, 0.5)
    pocket = rng.uniform(0.12, 0.24)
    outer = wide + 0.17
    sides = [rounded([(s * 0.5, 0.12), (s * outer, 0.2), (s * outer, 0.84), (s * 0.5, 0.9)], 0.12) for s in (-1, 1)]
    zip_line = [(-wide + 0.14, -0.16), (-wide + 0.2, -0.5), (0, -0.68), (wide - 0.2, -0.5), (wide - 0.14, -0.16)]
    return [
        line(ellipse((0, -0.86), (0.2, 0.16), start_deg=180, stop_deg=360), 0.08, Paint.DARK),
        *(area(path, Paint.DARK) for path in sides),
        area(rounded([(-wide, -0.88), (wide, -0.88), (wide + 0.04, 0.94), (-wide - 0.04, 0.94)], [top, top, 0.16, 0.16])),
        line(smooth(zip_line, closed=False), 0.04, Paint.DARK),
        area(rounded(box(-wide + 0.11, pocket - 0.03, wide - 0.11, 0.87), 0.13), Paint.SHADE),
        area(rounded(box(-wide + 0.14, pocket, wide - 0.14, 0.84), 0.12)),
        line([(-wide + 0.24, pocket + 0.13), (wide - 0.24, pocket + 0.13)], 0.045, Paint.DARK),
        line([(wide - 0.28, pocket + 0.14), (wide - 0.28, pocket + 0.26)], 0.05, Paint.METAL),
    ]
