"""Draws one item: background, soft shadow, the thing with its colour and pattern, light from the upper left."""

import math
from collections.abc import Sequence
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from crossmodal.demo.primitives import TONES, Paint, Part, Placement, Point, background, pattern_layer, stroke
from crossmodal.demo.shapes import SHAPES
from crossmodal.demo.vocabulary import PLAIN, Combination, Rgb

PICTURE_PX = 200
OVERSAMPLE = 3  # drawn this many times as large, then averaged down: smooth edges
MAX_TURN_DEG = 12.0
SMALLEST, LARGEST = 0.8, 0.92  # range of the thing's longer side, as a share of the picture
BULK = 1.12
DARK_BELOW = 60

BLACK: Rgb = (16, 18, 28)
WHITE: Rgb = (255, 255, 255)
NEUTRALS: dict[Paint, Rgb] = {
    Paint.DARK: (70, 74, 86),
    Paint.METAL: (172, 180, 190),
    Paint.WOOD: (150, 106, 70),
    Paint.PALE: (242, 240, 235),
}
DARK_ON_BLACK: Rgb = (112, 116, 128)
TONE_STRENGTH: dict[Paint, int] = {Paint.CREASE: 72, Paint.SHADE: 54, Paint.SHINE: 110}

# Strength of light and shade as tables over a mask's values.
SHADOW = [round(value * 0.34) for value in range(256)]
EDGE_SHADE = [round(value * 0.18) for value in range(256)]
EDGE_LIGHT = [round(value * 0.22) for value in range(256)]


def draw_picture(combination: Combination, rng: Random) -> Image.Image:
    """A picture of one combination.

    Args:
        combination: what it shows.
        rng: source of background, angle, size, position and small variations; the same state draws the same picture.

    Returns:
        (PICTURE_PX, PICTURE_PX) RGB.
    """
    shape = SHAPES[combination.kind.name]
    parts = shape.draw(rng)
    placement = place(parts, tilt_deg=shape.tilt_deg, rng=rng)
    silhouette = silhouette_of(parts, placement)
    scene = background(PICTURE_PX, combination.colour.rgb, rng=rng)
    _cast_shadow(scene, silhouette)
    art = scene.resize(silhouette.size, Image.Resampling.NEAREST)
    cloth = pattern_layer(
        art.width, combination.pattern.name, colour=combination.colour, placement=placement, cell=shape.pattern_scale, rng=rng
    )
    on_black = combination.pattern.name == PLAIN and max(combination.colour.rgb) < DARK_BELOW
    for part in parts:
        _paint(art, part, cloth=cloth, placement=placement, on_black=on_black)
    finished = art.reduce(OVERSAMPLE)
    _light(finished, silhouette.reduce(OVERSAMPLE))
    return finished


def place(parts: Sequence[Part], *, tilt_deg: float, rng: Random) -> Placement:
    """A random rotation, size and position that keep the whole thing inside the picture."""
    angle = tilt_deg + rng.uniform(-MAX_TURN_DEG, MAX_TURN_DEG)
    left, top, right, bottom = _bounds(parts, Placement(angle))
    width, height = right - left, bottom - top
    side = PICTURE_PX * OVERSAMPLE
    # Compact things would look larger than long ones of the same length, so their area counts too.
    extent = max(width, height, BULK * math.sqrt(width * height))
    scale = rng.uniform(SMALLEST, LARGEST) * side / extent
    room_x, room_y = (0.95 * side - width * scale) / 2, (0.95 * side - height * scale) / 2
    centre_x = side / 2 + rng.uniform(-1, 1) * min(room_x, 0.07 * side)
    centre_y = side / 2 + rng.uniform(-1, 1) * min(room_y, 0.07 * side)
    return Placement(angle, scale, (centre_x - scale * (left + right) / 2, centre_y - scale * (top + bottom) / 2))


def _bounds(parts: Sequence[Part], placement: Placement) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of everything painted, including line widths."""
    points = [(x, y, part.width / 2) for part in parts for x, y in placement.apply(part.path)]
    return (
        min(x - reach for x, _, reach in points),
        min(y - reach for _, y, reach in points),
        max(x + reach for x, _, reach in points),
        max(y + reach for _, y, reach in points),
    )


def silhouette_of(parts: Sequence[Part], placement: Placement) -> Image.Image:
    """255 wherever the thing covers the background."""
    side = PICTURE_PX * OVERSAMPLE
    mask = Image.new("L", (side, side), 0)
    draw = ImageDraw.Draw(mask)
    for part in parts:
        if part.paint not in TONES:
            _fill(draw, placement.apply(part.path), width=part.width * placement.scale, fill=255)
    return mask


def _cast_shadow(scene: Image.Image, silhouette: Image.Image) -> None:
    """Shadow down and to the right, blurred at half resolution, where blurring is cheap."""
    small = silhouette.reduce(2 * OVERSAMPLE)
    moved = Image.new("L", small.size, 0)
    moved.paste(small, (3, 4))
    soft = moved.filter(ImageFilter.GaussianBlur(3)).resize(scene.size, Image.Resampling.BILINEAR)
    scene.paste((36, 40, 60), (0, 0), soft.point(SHADOW))


def _paint(art: Image.Image, part: Part, *, cloth: Image.Image, placement: Placement, on_black: bool) -> None:
    path, width = placement.apply(part.path), part.width * placement.scale
    if part.paint in NEUTRALS:
        colour = DARK_ON_BLACK if on_black and part.paint is Paint.DARK else NEUTRALS[part.paint]
        _fill(ImageDraw.Draw(art), path, width=width, fill=colour)
        return
    margin = width / 2 + 1
    left, top = int(min(x for x, _ in path) - margin), int(min(y for _, y in path) - margin)
    right, bottom = int(max(x for x, _ in path) + margin) + 1, int(max(y for _, y in path) + margin) + 1
    size = (right - left, bottom - top)
    local = [(x - left, y - top) for x, y in path]
    if part.paint is Paint.CLOTH:
        mask = Image.new("1", size, 0)
        _fill(ImageDraw.Draw(mask), local, width=width, fill=1)
        art.paste(cloth.crop((left, top, right, bottom)), (left, top), mask)
        return
    strength = TONE_STRENGTH[part.paint]
    mask = Image.new("L", size, 0)
    _fill(ImageDraw.Draw(mask), local, width=width, fill=strength)
    # A crease darker than black would be invisible, so creases of black things are lighter.
    tone = WHITE if on_black or part.paint is Paint.SHINE else BLACK
    art.paste(tone, (left, top, right, bottom), mask)


def _fill(draw: ImageDraw.ImageDraw, path: Sequence[Point], *, width: float, fill: int | Rgb) -> None:
    """An area, or a line with round ends."""
    if not width:
        draw.polygon(path, fill=fill)
        return
    draw.polygon(stroke(path, width), fill=fill)
    for x, y in (path[0], path[-1]):
        draw.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=fill)


def _light(art: Image.Image, silhouette: Image.Image) -> None:
    """Lighten edges towards the upper left, darken the opposite edges."""
    away, towards = ImageChops.offset(silhouette, -3, -3), ImageChops.offset(silhouette, 2, 2)
    art.paste(BLACK, (0, 0), ImageChops.subtract(silhouette, away).point(EDGE_SHADE))
    art.paste(WHITE, (0, 0), ImageChops.subtract(silhouette, towards).point(EDGE_LIGHT))
