"""Every kind of thing as a drawing: its parts, the size of its pattern and the angle it likes to lie at."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from crossmodal.demo import shapes_home, shapes_leisure, shapes_wear
from crossmodal.demo.parts import Part


@dataclass(frozen=True, slots=True)
class Shape:
    """How a kind is drawn.

    Attributes:
        draw: the parts in the order they are painted; small variations come from the generator it is given.
        pattern_scale: size of the pattern's cells; 1.0 suits a thing as wide as the drawing's square.
        tilt_deg: the angle around which its random turn lies.
    """

    draw: Callable[[Random], list[Part]]
    pattern_scale: float = 1.0
    tilt_deg: float = 0.0


SHAPES: dict[str, Shape] = {
    "mug": Shape(shapes_home.mug, 0.9),
    "t-shirt": Shape(shapes_wear.t_shirt, 0.9),
    "cap": Shape(shapes_wear.cap, 0.85),
    "bottle": Shape(shapes_home.bottle, 0.72),
    "backpack": Shape(shapes_leisure.backpack, 0.9),
    "lamp": Shape(shapes_home.lamp, 0.85),
    "armchair": Shape(shapes_home.armchair, 0.9),
    "sneaker": Shape(shapes_wear.sneaker, 0.72),
    "umbrella": Shape(shapes_leisure.umbrella, 0.9),
    "sock": Shape(shapes_wear.sock, 0.85),
    "ball": Shape(shapes_leisure.ball, 1.0),
    "book": Shape(shapes_leisure.book, 0.95),
    "guitar": Shape(shapes_leisure.guitar, 0.72, tilt_deg=32.0),
    "dress": Shape(shapes_wear.dress, 0.8),
    "teapot": Shape(shapes_home.teapot, 0.85),
    "cushion": Shape(shapes_home.cushion, 1.0),
}
"""By the usual name of the kind."""
