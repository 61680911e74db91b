"""Drawings of things to wear."""

from random import Random

from crossmodal.demo.geometry import box, ellipse, mirrored, rounded, smooth
from crossmodal.demo.parts import Paint, Part, area, line


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
