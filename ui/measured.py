"""The model measured on the person's own collection, its titles as truth: warnings first, intervals and guessing beside each figure."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from ui import catalogues, job_strip, wording
from ui.literal import literal

if TYPE_CHECKING:
    from crossmodal.evaluation.figures import DirectionFigures, Figure
    from upkeep.live_app import LiveApp
    from upkeep.own_figures import OwnFigures


def show(app: "LiveApp") -> None:
    """The last measurement of the model in use, and the button for one."""
    figures = app.own_figures()
    if figures is None:
        st.markdown(
            "Not measured yet. Every title is searched for among the pictures, and every picture among the titles. "
            "It takes about a minute, in the background."
        )
    else:
        _found(figures)
    label = "Measure on this collection" if figures is None else "Measure again"
    if st.button(label, key="measure", icon=":material/straighten:", disabled=job_strip.is_running(app)):
        catalogues.begin(app.start_measuring)


def _found(figures: "OwnFigures") -> None:
    for warning in figures.result.warnings:
        st.warning(literal(warning), icon=":material/warning:")
    st.markdown(_sentence(figures))
    to_picture, to_words = st.columns(2, gap="medium")
    with to_picture:
        _direction("Words to picture", figures.result.text_to_image, "titles", "pictures")
    with to_words:
        _direction("Picture to words", figures.result.image_to_text, "pictures", "titles")
    st.caption(
        "These titles may be the very ones the model learned from, so it may do worse on pictures that are new to it; the test at the "
        "top of this page is the one it cannot have learned by heart. Compare each figure with guessing: the more pictures there are to "
        "choose from, the harder it is to find the right one."
    )


def _sentence(figures: "OwnFigures") -> str:
    looked = wording.count(figures.items, "picture")
    of = (
        f"{looked} with titles"
        if figures.items == figures.collection
        else f"{looked} with titles, of {figures.collection:,} in all"
    )
    parts = [
        f"Measured on {wording.date(figures.measured_at)}, on {of}. Where several pictures have one title, any of them is right."
    ]
    if figures.picture_only:
        parts.append("Pictures were asked without their titles, which would have given the answer away.")
    return " ".join(parts)


def _direction(name: str, figures: "DirectionFigures", asked: str, among: str) -> None:
    st.markdown(f"**{name}**")
    rows = [("First, of 100" if k == 1 else f"In the first {k}, of 100", *_shares(figure)) for k, figure in figures.recall.items()]
    rows.append(("Median rank", *_places(figures.median_rank)))
    rows.append(("Mean reciprocal rank", *_decimals(figures.mean_reciprocal_rank)))
    table = pd.DataFrame(rows, columns=["Right one found", "This model", "95 % interval", "Guessing"])
    st.table(table, hide_index=True, border="horizontal", alt=f"{name}: figures with intervals, beside guessing")
    st.caption(f"{figures.queries:,} {asked} asked, {figures.gallery:,} {among} searched")


def _shares(figure: "Figure") -> tuple[str, str, str]:
    return _cells(figure, lambda share: f"{100 * share:.1f}" if share == 0 or share >= 0.0005 else f"{100 * share:.1g}")


def _places(figure: "Figure") -> tuple[str, str, str]:
    return _cells(figure, lambda place: f"{place:,.1f}".removesuffix(".0"))


def _decimals(figure: "Figure") -> tuple[str, str, str]:
    return _cells(figure, lambda number: f"{number:.2f}" if number >= 0.01 else f"{number:.1g}")


def _cells(figure: "Figure", said: Callable[[float], str]) -> tuple[str, str, str]:
    def shown(number: float) -> str:
        return said(number) if math.isfinite(number) else "–"

    return shown(figure.value), f"{shown(figure.low)} – {shown(figure.high)}", shown(figure.chance)
