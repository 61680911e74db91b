"""What a figure shows, read back."""

import io

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from crossmodal.evaluation.plots import png
from crossmodal.items import Pixels

HOSTILE = "\x00a\ud800 $x^$ \\frac{ 日本語 😀 \u202e" + "long " * 300 + "x" * 500


def drawn(figure: Figure) -> Pixels:
    """(h, w, 3) uint8, as anybody would see it."""
    return np.asarray(Image.open(io.BytesIO(png(figure))).convert("RGB"))


def shows(pixels: Pixels, colour: str) -> int:
    """How many pixels are about of a colour like `#0072b2`."""
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return int((np.abs(pixels.astype(int) - wanted).max(axis=2) < 12).sum())


def words(figure: Figure) -> str:
    """All that is written on it."""
    found = [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]
    return "\n".join(found)
