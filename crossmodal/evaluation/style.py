"""How every plot looks: colours that colour-blind readers tell apart, also told apart in print by marker and dash; words as they are."""

import io
import math
import re
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from crossmodal.evaluation.files import write_whole

# Okabe & Ito 2008, "Color Universal Design", without the yellow that vanishes on paper.
BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, GREY = "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#6b6b6b"
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
DPI = 150

_STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same on every machine
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "text.parse_math": False,  # a title with two dollars is a price, not a formula
}


@contextmanager
def style() -> Iterator[None]:
    """Inside, plots are made and drawn in the house's style, whatever the user's matplotlibrc says."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)  # type: ignore[arg-type]
        # A script the font lacks is drawn as boxes; that is no reason to fail.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1, **more: Any) -> tuple[Figure, list[Axes]]:
    """A figure of so many inches with axes row by row, drawn by Agg: no window, no global state."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, **more)
    return figure, [axis for row in axes for axis in row]


def png(figure: Figure) -> bytes:
    """The figure as a PNG."""
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def save(figure: Figure, path: Path) -> Path:
    """Write the figure as a PNG, whole or not at all; missing folders are made.

    Raises:
        StoreError: `disk_full`, `read_only`.
    """
    return write_whole(path, png(figure))


def wrapped(words: str, width: int, lines: int) -> str:
    """Words on at most so many lines of so many letters, with an ellipsis where they do not fit; safe for any text."""
    plain = " ".join(words.encode("utf-8", "replace").decode("utf-8").split())
    plain = "".join(letter if letter.isprintable() else " " for letter in plain)
    plain = re.sub(r" ([.,;:!?]+)(?= |$)", "\u00a0\\1", plain)  # spaced punctuation must not start a line
    return (
        "\n".join(textwrap.wrap(plain, width, max_lines=lines, placeholder=" …", break_on_hyphens=False)) if plain.strip() else ""
    )


def whole_ticks(most: float) -> list[int]:
    """Ranks for a logarithmic axis: 1, 10, 100 … up to `most`."""
    return [10**power for power in range(int(math.log10(max(most, 1))) + 1)]
