"""Plots of figures: ranks, scores, similarities, training. Each answers a matplotlib figure; `style.save` and `style.png` draw it."""

import math
from collections.abc import Mapping, Sequence
from typing import TypeGuard

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor
from torch.nn import functional

from crossmodal.evaluation.chance import chance_of
from crossmodal.evaluation.result import RetrievalResult
from crossmodal.evaluation.style import BLUE, DASHES, GREY, PALETTE, VERMILION, new_figure, style, whole_ticks, wrapped

_HEATMAP_NAMES = 24


def rank_distribution(result: RetrievalResult) -> Figure:
    """Share of queries whose best relevant item is among the first k, for every k, beside chance; the dots are what tables print."""
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
            axis.set(xscale="log", xlim=(1, max(found.gallery, 2)), ylim=(0, 101), xlabel="k (rank of the best right item)")
            axis.set_xticks(whole_ticks(found.gallery), [f"{tick:,}" for tick in whole_ticks(found.gallery)])
            axis.minorticks_off()
            axis.set_title(f"{name}: {found.queries:,} questions, {found.gallery:,} items\nmedian rank {found.median_rank.value:g}")
        axes[0].set_ylabel("questions answered by rank k, %")
        axes[0].legend(loc="lower right")
        return figure


def score_distribution(pairs: Tensor, others: Tensor) -> Figure:
    """Scores of what belongs together against scores of what does not.

    Shape:
        pairs: (p,), others: (o,), cosines; what is not finite is left out. Either may be empty.
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
        axis.set(xlabel="score (cosine)", ylabel="share of them, % a bar", ylim=(0, None))
        axis.set_title("Scores of pairs and of others; upright lines are medians")
        if len(every):
            axis.legend(loc="best")
        return figure


def similarity_heatmap(
    image_embeddings: Tensor, text_embeddings: Tensor, names: Sequence[str] | None = None, *, most: int = 100
) -> Figure:
    """Cosines of pictures (rows) and texts (columns), row i with column i: a good model has a bright diagonal.

    Shape:
        image_embeddings: (n, d), text_embeddings: (n, d); the first `most` are shown. names: n titles, written when few enough to read.

    Raises:
        ValueError: there are not as many pictures as texts, or none.
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
    """What a training wrote, epoch by epoch: losses, recalls, learning rates, each kind in its own panel.

    Args:
        history: a dict an epoch, `epoch` and numbers by name; a name may be missing in some. What is no finite number leaves a gap.

    Raises:
        ValueError: there is no number to draw.
    """
    panels = _panels(history)
    if not panels:
        raise ValueError("the history holds no losses, recalls or learning rates to draw")
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
"""Title of a panel → what names in it contain; a name goes to the first that fits, any other is not drawn."""


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
