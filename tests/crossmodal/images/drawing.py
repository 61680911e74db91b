"""Pictures for tests: four coloured corners, so that turning, mirroring, inverting or losing one shows."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from crossmodal.items import Picture

CORNERS = ((220, 20, 20), (20, 200, 20), (20, 20, 220), (230, 220, 20))
"""Red, green, blue, yellow: top left, top right, bottom left, bottom right."""


def corners(width: int = 240, height: int = 160) -> Image.Image:
    image = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(image)
    for place, colour in enumerate(CORNERS):
        left, top = place % 2 * width // 2, place // 2 * height // 2
        draw.rectangle((left, top, left + width // 2, top + height // 2), fill=colour)
    return image


def encode(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def reopened(jpeg: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(jpeg))
    image.load()
    assert image.format == "JPEG"
    return image


def corner_colours(image: Image.Image) -> list[tuple[int, ...]]:
    width, height = image.size
    places = [(x, y) for y in (height // 10, height * 9 // 10) for x in (width // 10, width * 9 // 10)]
    return [tuple(image.getpixel(place)) for place in places]  # type: ignore[arg-type]


def is_upright(picture: Picture, *, tolerance: int = 45, colours: Sequence[tuple[int, ...]] = CORNERS) -> bool:
    """Whether all three forms of a picture show the corners in their places."""
    images = [Image.fromarray(picture.pixels), reopened(picture.rendition), reopened(picture.thumbnail)]
    worst = max(int(np.abs(np.subtract(corner_colours(image), colours)).max()) for image in images)
    return worst <= tolerance
