"""Every kind of thing as a drawing: its parts, the scale of its pattern and its typical angle."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from crossmodal.demo.primitives import Paint, Part, Path, area, box, ellipse, line, mirrored, rounded, smooth


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


def t_shirt(rng: Random) -> list[Part]:
    """A short-sleeved shirt, laid flat."""
    hem, cuff = rng.uniform(0.52, 0.6), rng.uniform(-0.14, 0.0)
    neck = rng.uniform(0.22, 0.28)
    collar = ellipse((0, -0.8), (neck, 0.2), start_deg=0, stop_deg=180)
    half = [(neck, -0.8), (0.52, -0.72), (1.0, cuff - 0.2), (0.76, cuff + 0.08), (0.54, -0.2), (hem, 0.84)]
    # From one end of the neckline to the other; the collar's curve closes it.
    outline = rounded(mirrored(half), [0.02, 0.16, 0.04, 0.04, 0.06, 0.06, 0.06, 0.06, 0.04, 0.04, 0.16, 0.02])
    seams = [line([(side * 0.53, -0.22), (side * 0.5, -0.5)], 0.035) for side in (-1, 1)]
    return [
        area(rounded(box(-neck, -0.84, neck, -0.6), 0.04), Paint.DARK),
        area([*outline, *reversed(collar)]),
        line(collar, 0.06),
        *seams,
        line([(-hem + 0.03, 0.75), (hem - 0.03, 0.75)], 0.03),
    ]


def cap(rng: Random) -> list[Part]:
    """A baseball cap from the side, its visor to the right."""
    tall, visor = rng.uniform(0.72, 0.84), rng.uniform(0.92, 1.02)
    brim = [(-0.06, 0.44), (0.3, 0.14), (0.66, 0.12), (visor, 0.4), (visor - 0.01, 0.52)]
    crown = ellipse((-0.2, 0.3), (0.7, tall), start_deg=180, stop_deg=360)
    return [
        area(ellipse((-0.2, 0.3 - tall), (0.09, 0.06)), Paint.DARK),
        area([*crown, *ellipse((-0.2, 0.3), (0.7, 0.16), start_deg=0, stop_deg=180)]),
        line(smooth([(-0.2, 0.3 - tall), (0.02, 0.0), (0.1, 0.44)], closed=False), 0.03),
        line(smooth([(-0.2, 0.3 - tall), (-0.5, -0.05), (-0.62, 0.4)], closed=False), 0.03),
        area(smooth([*brim, (0.7, 0.52), (0.34, 0.56), (0.02, 0.56)])),
        line(smooth([(-0.02, 0.46), (0.32, 0.18), (0.64, 0.16), (visor - 0.03, 0.42)], closed=False), 0.035),
    ]


def sneaker(rng: Random) -> list[Part]:
    """A sports shoe from the side, its toe to the right."""
    heel, tongue = rng.uniform(-0.34, -0.22), rng.uniform(-0.56, -0.46)
    ankle = [(-0.9, heel), (-0.72, heel + 0.06), (-0.5, heel + 0.02), (-0.34, tongue), (-0.12, tongue + 0.06)]
    front = [(0.12, -0.22), (0.42, -0.06), (0.8, 0.04), (0.97, 0.28), (0.9, 0.46)]
    upper = smooth([*ankle, *front, (0.0, 0.5), (-0.88, 0.46), (-0.94, 0.1)])
    sole = rounded([(-0.98, 0.36), (1.02, 0.36), (1.0, 0.6), (-0.94, 0.6)], [0.05, 0.1, 0.12, 0.14])
    laces = [line([(-0.2 + 0.15 * i, -0.34 + 0.1 * i), (-0.02 + 0.15 * i, -0.44 + 0.11 * i)], 0.06, Paint.PALE) for i in range(4)]
    return [
        area(upper),
        area(smooth([(0.66, 0.02), (0.84, 0.06), (0.98, 0.28), (0.92, 0.44), (0.56, 0.44), (0.54, 0.2)]), Paint.PALE),
        line(smooth([(-0.5, heel + 0.04), (-0.3, 0.1), (0.1, 0.16), (0.34, -0.06)], closed=False), 0.035),
        *laces,
        line(smooth([(-0.88, heel + 0.02), (-0.8, 0.02), (-0.82, 0.34)], closed=False), 0.06, Paint.DARK),
        area(sole, Paint.PALE),
        line([(-0.86, 0.5), (0.92, 0.5)], 0.03),
    ]


def sock(rng: Random) -> list[Part]:
    """A sock, its toe to the left."""
    leg, toe = rng.uniform(0.3, 0.35), rng.uniform(-0.86, -0.74)
    right, left = 0.2 + leg, 0.2 - leg
    heel = [(right + 0.01, 0.26), (right - 0.02, 0.62), (right - 0.18, 0.84), (right - 0.36, 0.84), (right - 0.3, 0.5)]
    outline = rounded(
        [(left, -0.95), (right, -0.95), (right + 0.02, 0.42), (right - 0.1, 0.86), (toe, 0.86), (toe, 0.26), (left - 0.1, 0.2)],
        [0.05, 0.05, 0.2, 0.26, 0.28, 0.3, 0.24],
    )
    return [
        area(outline),
        area(smooth(heel), Paint.SHADE),
        area(rounded(box(left - 0.05, -0.98, right + 0.05, -0.7), 0.06), Paint.PALE),
        *(line([(left + 0.14 * i, -0.92), (left + 0.14 * i, -0.77)], 0.03) for i in range(1, round(leg / 0.07))),
        line(smooth([(toe + 0.26, 0.28), (toe + 0.34, 0.56), (toe + 0.24, 0.84)], closed=False), 0.04),
    ]


def dress(rng: Random) -> list[Part]:
    """A sleeveless dress with a flared skirt and a belt."""
    hem, waist = rng.uniform(0.64, 0.78), rng.uniform(0.22, 0.27)
    belt = rng.uniform(-0.2, -0.1)
    strap = [(0.1, -0.62), (0.2, -0.66), (0.26, -0.95), (0.36, -0.95), (0.36, -0.62)]
    bodice = mirrored([*strap, (waist + 0.12, -0.42), (waist, belt)])
    skirt = [
        *smooth([(waist, belt), (waist + 0.12, 0.14), (hem, 0.88)], closed=False),
        *smooth([(hem, 0.88), (hem * 0.5, 0.97), (0, 0.93), (-hem * 0.5, 0.97), (-hem, 0.88)], closed=False),
        *smooth([(-hem, 0.88), (-waist - 0.12, 0.14), (-waist, belt)], closed=False),
    ]
    folds = [line([(x * 0.5, belt + 0.34), (x * hem * 1.15, 0.84)], 0.03) for x in (-0.5, 0.02, 0.5)]
    return [
        area(rounded(bodice, 0.05)),
        area(skirt),
        *folds,
        line([(-waist, belt), (waist, belt)], 0.1, Paint.DARK),
    ]


@dataclass(frozen=True, slots=True)
class Shape:
    """How a kind is drawn.

    Attributes:
        draw: returns the parts in painting order; the generator it takes supplies small variations.
        pattern_scale: size of the pattern's cells; 1.0 suits a thing as wide as the drawing's square.
        tilt_deg: centre of its random rotation.
    """

    draw: Callable[[Random], list[Part]]
    pattern_scale: float = 1.0
    tilt_deg: float = 0.0


SHAPES: dict[str, Shape] = {
    "mug": Shape(mug, 0.9),
    "t-shirt": Shape(t_shirt, 0.9),
    "cap": Shape(cap, 0.85),
    "bottle": Shape(bottle, 0.72),
    "backpack": Shape(backpack, 0.9),
    "lamp": Shape(lamp, 0.85),
    "armchair": Shape(armchair, 0.9),
    "sneaker": Shape(sneaker, 0.72),
    "umbrella": Shape(umbrella, 0.9),
    "sock": Shape(sock, 0.85),
    "ball": Shape(ball, 1.0),
    "book": Shape(book, 0.95),
    "guitar": Shape(guitar, 0.72, tilt_deg=32.0),
    "dress": Shape(dress, 0.8),
    "teapot": Shape(teapot, 0.85),
    "cushion": Shape(cushion, 1.0),
}
"""By the usual name of the kind."""
