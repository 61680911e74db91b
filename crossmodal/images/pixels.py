"""Pixels of an opened picture -> the pixels we keep. Pure functions over Pillow images; none of them reads a file."""

import io

from PIL import Image

QUALITY = 88


def with_colours(image: Image.Image) -> Image.Image:
    """A mode that can be averaged: RGB, RGBA, L, CMYK or 16 and more bits of grey."""
    if image.mode.startswith(("I", "F")):
        return image
    if image.has_transparency_data:
        return image if image.mode == "RGBA" else image.convert("RGBA")
    return image if image.mode in ("RGB", "L", "CMYK") else image.convert("RGB")


def shrink(image: Image.Image, need: float) -> Image.Image:
    """Average blocks of pixels when there are far more than needed, so that what follows is cheap.

    Args:
        need: needed size as a part of the size at hand; at least twice the need is left.
    """
    blocks = int(0.5 / need)
    if blocks < 2:
        return image
    if image.mode.startswith(("I", "F")):
        width, height = image.size
        return image.resize((max(1, width // blocks), max(1, height // blocks)), Image.Resampling.BOX)
    return image.reduce(blocks)


def on_white(image: Image.Image) -> Image.Image:
    """RGB. What shows through is white; 16 bits of grey are scaled, not clipped."""
    if image.mode == "RGBA":
        white = Image.new("RGB", image.size, (255, 255, 255))
        white.paste(image, mask=image)
        return white
    if image.mode.startswith(("I", "F")):
        image = image.convert("I").point(lambda value: value * (1 / 257) + 0.5).convert("L")
    return image if image.mode == "RGB" else image.convert("RGB")


def turned(image: Image.Image, turn: Image.Transpose | None) -> Image.Image:
    """Turned, or itself."""
    return image if turn is None else image.transpose(turn)


def square(image: Image.Image, side: int) -> Image.Image:
    """The middle square, scaled once with antialiasing: short side to `side`, then the centre."""
    width, height = image.size
    if width == height == side:
        return image
    short = min(width, height)
    left, top = (width - short) / 2, (height - short) / 2
    return image.resize((side, side), Image.Resampling.BILINEAR, box=(left, top, left + short, top + short))


def fitted(image: Image.Image, long_px: int) -> Image.Image:
    """The whole picture with its long side at most `long_px`; never enlarged."""
    width, height = image.size
    scale = long_px / max(width, height)
    if scale >= 1:
        return image
    return image.resize((max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.BICUBIC)


def jpeg(image: Image.Image) -> bytes:
    """Re-encoded. Nothing of the original file is in it but its pixels: the caller cleared `info`."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
