"""Plot search results: the best matches of a query side by side, and several queries in one grid."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from crossmodal.evaluation.plots import GREEN, GREY, new_figure, save, style, wrapped
from crossmodal.items import Pixels


@dataclass(frozen=True, slots=True)
class Match:
    """One picture of a search result.

    Attributes:
        pixels: (h, w, 3) uint8.
        score: cosine.
        title: text under the picture; may be empty or long.
        right: whether it is correct; None if unknown.
    """

    pixels: Pixels = field(repr=False, compare=False)
    score: float
    title: str = ""
    right: bool | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A text query and its matches, best first."""

    query: str
    matches: Sequence[Match]


def query_figure(answer: Answer, *, top_k: int = 5) -> Figure:
    """The best matches in a row, each with rank, score and title; correct ones have a green frame and a tick.

    Raises:
        ValueError: a picture is not (h, w, 3) uint8.
    """
    with style():
        heading = wrapped(f"“{answer.query}”", 22 * top_k, 2)
        figure, axes = new_figure(2.3 * top_k, 3.45 + 0.25 * heading.count("\n"), columns=top_k)
        figure.suptitle(heading, fontsize=13, x=0.01, ha="left")
        _fill(axes, answer.matches, width=28)
        return figure


def top_matches_figure(answers: Sequence[Answer], *, top_k: int = 5) -> Figure:
    """Several queries with their best matches, one per row.

    Raises:
        ValueError: there are no queries, or a picture is not (h, w, 3) uint8.
    """
    if not answers:
        raise ValueError("there is no query to plot")
    with style():
        figure, axes = new_figure(
            2.0 * top_k + 1.9, 2.45 * len(answers), rows=len(answers), columns=top_k + 1, width_ratios=[0.8, *[1] * top_k]
        )
        for row, answer in enumerate(answers):
            first, *others = axes[row * (top_k + 1) : (row + 1) * (top_k + 1)]
            first.axis("off")
            first.text(
                0.98, 0.5, wrapped(f"“{answer.query}”", 17, 6), fontsize=11, va="center", ha="right", transform=first.transAxes
            )
            _fill(others, answer.matches, width=0)
        return figure


def save_query_pictures(folder: Path, answers: Sequence[Answer], *, top_k: int = 5) -> list[Path]:
    """Write `query_1.png`, `query_2.png` … and `top_matches_grid.png`; return their paths in this order.

    Raises:
        StoreError: `disk_full`, `read_only`.
        ValueError: there are no queries, or a picture is not (h, w, 3) uint8.
    """
    grid = top_matches_figure(answers, top_k=top_k)
    singles = [
        save(query_figure(answer, top_k=top_k), folder / f"query_{number}.png") for number, answer in enumerate(answers, start=1)
    ]
    return [*singles, save(grid, folder / "top_matches_grid.png")]


def _fill(axes: Sequence[Axes], matches: Sequence[Match], *, width: int) -> None:
    """Draw one match per axes, with titles wrapped to `width` characters (0: no titles); axes without a match stay empty."""
    for axis in axes:
        axis.axis("off")
    for place, (axis, match) in enumerate(zip(axes, matches, strict=False), start=1):
        _show(axis, match.pixels)
        right = bool(match.right)
        mark = {True: "  ✓ right", False: "", None: ""}[match.right]
        axis.set_title(f"{place}.  {match.score:.3f}{mark}", fontsize=10, color=GREEN if right else "black", loc="center")
        if right:
            axis.add_patch(
                Rectangle((0, 0), 1, 1, transform=axis.transAxes, fill=False, edgecolor=GREEN, linewidth=4, clip_on=False)
            )
        if width and match.title:
            axis.text(
                0.5, -0.04, wrapped(match.title, width, 3), fontsize=8, color=GREY, va="top", ha="center", transform=axis.transAxes
            )


def _show(axis: Axes, pixels: Pixels) -> None:
    """Draw the centre square of a picture, so that frames and rows align."""
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or not pixels.size:
        raise ValueError(f"a picture must be (h, w, 3) uint8, not {pixels.shape} {pixels.dtype}")
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    axis.imshow(pixels[top : top + side, left : left + side], extent=(0, 1, 0, 1), interpolation="antialiased")
