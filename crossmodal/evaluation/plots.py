"""Plots of ranks, scores, similarities and training. Each function returns a matplotlib figure; `save` and `png` render it."""

import io
import math
import re
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeGuard

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor
from torch.nn import functional

from crossmodal.atomic import write_whole
from crossmodal.evaluation.bootstrap import chance_of
from crossmodal.evaluation.result import RetrievalResult

# Okabe & Ito 2008, "Color Universal Design", without the yellow that is hard to see on paper.
BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, GREY = "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#6b6b6b"
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
DPI = 150

_STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # bundled with matplotlib: the same on every machine
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
    """Inside the block, plots use this module's style, whatever the user's matplotlibrc says."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)  # type: ignore[arg-type]
        # Scripts missing from the font are drawn as boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1, **more: Any) -> tuple[Figure, list[Axes]]:
    """A figure of `width` x `height` inches with its axes in row order, rendered by Agg: no window, no global state."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, **more)
    return figure, [axis for row in axes for axis in row]


def png(figure: Figure) -> bytes:
    """Render the figure as PNG bytes."""
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def save(figure: Figure, path: Path) -> Path:
    """Write the figure as a PNG file, atomically; missing folders are created. Returns `path`.

    Raises:
        StoreError: `disk_full`, `read_only`.
    """
    return write_whole(path, png(figure))


def wrapped(words: str, width: int, lines: int) -> str:
    """Wrap text to at most `lines` lines of `width` characters, with an ellipsis if it does not fit; safe for any text."""
    plain = " ".join(words.encode("utf-8", "replace").decode("utf-8").split())
    plain = "".join(letter if letter.isprintable() else " " for letter in plain)
    plain = re.sub(r" ([.,;:!?]+)(?= |$)", "\u00a0\\1", plain)  # spaced punctuation must not start a line
    return (
        "\n".join(textwrap.wrap(plain, width, max_lines=lines, placeholder=" …", break_on_hyphens=False)) if plain.strip() else ""
    )


def whole_ticks(most: float) -> list[int]:
    """Ticks for a logarithmic axis: 1, 10, 100 … up to `most`."""
    return [10**power for power in range(int(math.log10(max(most, 1))) + 1)]


_HEATMAP_NAMES = 24


def rank_distribution(result: RetrievalResult) -> Figure:
    """Share of queries whose best relevant item is among the first k, for every k, beside chance; dots mark the values in tables."""
    with style():
        figure, axes = new_figure(9.0, 3.8, columns=2, sharey=True)
        for axis, name, found in zip(
            axes, ("text → image", "image → text"), (result.text_to_image, result.image_to_text), strict=True
        ):
            ranks = found.ranks.sort().values
            reached = np.arange(1, len(ranks) + 1) / len(ranks)
            place = np.concatenate(([1], ranks.numpy(), [found.gallery]))
            share = 100 * np.concatenate(([0.0], reached, [1.0]))
            axis.step(place, share, where="post", color=BLUE, linewidth=2, label="model")
            for k, figure_at_k in found.recall.items():
                if k <= found.gallery:
                    axis.plot(k, 100 * figure_at_k.value, "o", color=BLUE, markersize=5, clip_on=False, zorder=3)
            by_lot = np.unique(np.geomspace(1, found.gallery, 200).astype(int))
            survival = chance_of(found.relevant, found.gallery).survival.numpy()
            axis.plot(by_lot, 100 * (1 - survival[by_lot]), color=GREY, linestyle="--", label="chance")
            axis.set(xscale="log", xlim=(1, max(found.gallery, 2)), ylim=(0, 101), xlabel="k (rank of the best correct item)")
            axis.set_xticks(whole_ticks(found.gallery), [f"{tick:,}" for tick in whole_ticks(found.gallery)])
            axis.minorticks_off()
            axis.set_title(f"{name}: {found.queries:,} queries, {found.gallery:,} items\nmedian rank {found.median_rank.value:g}")
        axes[0].set_ylabel("queries with a hit by rank k, %")
        axes[0].legend(loc="lower right")
        return figure


def score_distribution(pairs: Tensor, others: Tensor) -> Figure:
    """Histograms of the scores of pairs and of non-pairs.

    Shape:
        pairs: (p,), others: (o,), cosines; non-finite values are ignored. Either may be empty.
    """
    with style():
        figure, [axis] = new_figure(7.0, 3.8)
        sides = [scores[scores.isfinite()].double().numpy() for scores in (pairs, others)]
        every = np.concatenate(sides)
        low, high = (float(every.min()), float(every.max())) if len(every) else (-1.0, 1.0)
        edges = np.linspace(low - 0.01, high + 0.01, 61)
        looks = ((BLUE, "-", "pairs"), (VERMILION, "--", "not pairs"))
        for scores, (colour, dash, name) in zip(sides, looks, strict=True):
            if not len(scores):
                continue
            heights = np.histogram(scores, edges)[0] / len(scores) * 100
            axis.stairs(heights, edges, color=colour, linestyle=dash, linewidth=1.8, label=f"{name} ({len(scores):,})")
            axis.stairs(heights, edges, color=colour, fill=True, alpha=0.18)
            axis.axvline(float(np.median(scores)), color=colour, linestyle=dash, linewidth=1)
        axis.set(xlabel="score (cosine)", ylabel="share, % per bar", ylim=(0, None))
        axis.set_title("Scores of pairs and non-pairs; vertical lines are medians")
        if len(every):
            axis.legend(loc="best")
        return figure


def similarity_heatmap(
    image_embeddings: Tensor, text_embeddings: Tensor, names: Sequence[str] | None = None, *, most: int = 100
) -> Figure:
    """Cosines of pictures (rows) and texts (columns); row i belongs to column i, so a good model has a bright diagonal.

    Shape:
        image_embeddings: (n, d), text_embeddings: (n, d); the first `most` are shown. names: n titles, shown if few enough to read.

    Raises:
        ValueError: the numbers of pictures and texts differ or are 0.
    """
    if image_embeddings.shape != text_embeddings.shape or not len(image_embeddings):
        raise ValueError(f"need one text for each picture, not {tuple(image_embeddings.shape)}, {tuple(text_embeddings.shape)}")
    shown = min(len(image_embeddings), most)
    images, texts = (
        functional.normalize(side[:shown].detach().cpu().float(), dim=1) for side in (image_embeddings, text_embeddings)
    )
    scores = images @ texts.T
    named = names is not None and shown <= _HEATMAP_NAMES
    with style():
        figure, [axis] = new_figure(9.0 if named else 6.4, 7.6 if named else 5.4)
        axis.grid(visible=False)
        picture = axis.imshow(scores.numpy(), cmap="cividis", interpolation="nearest")
        figure.colorbar(picture, ax=axis, label="score (cosine)", shrink=0.85)
        axis.set(xlabel="texts", ylabel="pictures")
        if names is not None and named:
            labels = [wrapped(name, 32, 1) for name in names[:shown]]
            axis.set_xticks(range(shown), labels, rotation=55, ha="right", rotation_mode="anchor", fontsize=8)
            axis.set_yticks(range(shown), labels, fontsize=8)
        else:
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
            axis.yaxis.set_major_locator(MaxNLocator(integer=True))
        best = float((scores.argmax(dim=1) == torch.arange(shown)).double().mean())
        axis.set_title(f"{shown} pictures and their texts: own text scores highest in {100 * best:.0f} % of rows")
        return figure


def training_curves(history: Sequence[Mapping[str, object]]) -> Figure:
    """Training history by epoch: losses, scores, recalls and learning rates, one panel each.

    Args:
        history: one dict per epoch with `epoch` and named numbers; names may be missing in some. Non-finite values leave a gap.

    Raises:
        ValueError: there is nothing to plot.
    """
    panels = _panels(history)
    if not panels:
        raise ValueError("the history contains no losses, recalls or learning rates to plot")
    with style():
        columns = 2 if len(panels) == 4 else len(panels)
        rows = len(panels) // columns
        figure, axes = new_figure(4.4 * columns + 0.6, 3.6 * rows, rows=rows, columns=columns)
        for axis, (title, names) in zip(axes, panels.items(), strict=True):
            for number, name in enumerate(names):
                x, y = _series(history, name, percent=title == "recall, %")
                colour, dash = PALETTE[number % len(PALETTE)], DASHES[number % len(DASHES)]
                axis.plot(
                    x,
                    y,
                    color=colour,
                    linestyle=dash,
                    marker="o" if len(x) < 40 else None,
                    markersize=3,
                    label=wrapped(name.replace("_", " "), 40, 1),
                )
            axis.set_title(title)
            axis.set_xlabel("epoch")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
            axis.set_ylim(bottom=0)
            axis.ticklabel_format(axis="y", style="sci", scilimits=(-2, 4))
            axis.legend(fontsize=8)
        return figure


_KINDS = {"loss": ("loss",), "score": ("sum", "score"), "recall, %": ("recall", "r@"), "learning rate": ("learning_rate", "lr")}
"""Panel title → substrings of the names in it. A name goes to the first matching panel; others are not plotted."""


def _panels(history: Sequence[Mapping[str, object]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {title: [] for title in _KINDS}
    for name in dict.fromkeys(name for row in history for name, value in row.items() if _is_number(value)):
        titles = [title for title, parts in _KINDS.items() if any(part in name.lower() for part in parts)]
        if titles:
            found[titles[0]].append(name)
    return {title: names for title, names in found.items() if names}


def _series(history: Sequence[Mapping[str, object]], name: str, *, percent: bool) -> tuple[list[float], list[float]]:
    x, y = [], []
    for number, row in enumerate(history, start=1):
        value, epoch = row.get(name), row.get("epoch", number)
        if _is_number(value) and _is_number(epoch):
            x.append(float(epoch))
            y.append((100 if percent else 1) * float(value) if math.isfinite(value) else math.nan)
    return x, y


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
