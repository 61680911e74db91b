"""The first screen: what is being prepared, how far it is, how long still. Steps tick off; nothing has to be clicked."""

import time

import pandas as pd
import streamlit as st

from crossmodal.progress import Progress
from ui import wording
from ui.literal import literal
from ui.starting import STEPS, Starter, starter

_WAITING = {"catalogue": "Catalogue", "model": "Model", "index": "Index"}
_WHY = {
    "catalogue": "The pictures that can be searched.",
    "model": "It learns to match words with pictures, on this computer, from the pictures and titles of the catalogue.",
    "index": "Every picture is read once, so that a search takes milliseconds.",
}


def show() -> None:
    """Draw the start until it is over, then hand over to the page."""
    st.title("Getting ready")
    st.markdown(
        "The first start takes about a minute: pictures are gathered, and the model learns from them on this computer. "
        "Later starts take seconds."
    )
    _watch()


@st.fragment(run_every=1.0)
def _watch() -> None:
    start = starter()
    if start.app is not None:
        st.rerun()
    for step in STEPS:
        _step(start, step)
    if start.problem:
        st.error(literal(start.problem), icon=":material/error:", title="The start did not succeed")
        if st.button("Try again", icon=":material/refresh:"):
            starter.clear()
            st.rerun()
        return
    _curve(start.epochs)
    st.caption(f"{wording.duration(time.monotonic() - start.started_at)} so far")


def _step(start: Starter, name: str) -> None:
    step = start.steps.get(name)
    with st.container(key=f"step-{name}", horizontal=True, vertical_alignment="top"):
        if step is None:
            st.markdown(":gray[:material/radio_button_unchecked:]", width="content")
            st.markdown(f":gray[{_WAITING[name]}]")
        elif step.progress.finished:
            st.markdown(":green[:material/check_circle:]", width="content")
            st.text(step.progress.message, width="stretch")
            st.caption(wording.duration(step.seconds), width="content")
        else:
            st.markdown(":primary[:material/pending:]", width="content")
            with st.container(gap="xsmall"):
                st.text(step.progress.message)
                st.caption(_WHY[name])
                _bar(step.progress)


def _bar(progress: Progress) -> None:
    if progress.total:
        # A step of a training means nothing to its reader; a picture drawn or read does.
        parts = [] if progress.step == "model" else [f"{progress.done:,} of {progress.total:,}"]
        if progress.seconds_left is not None:
            parts.append(wording.left(progress.seconds_left))
        st.progress(min(1.0, progress.done / progress.total), text=" · ".join(parts))


def _curve(epochs: list[Progress]) -> None:
    if len(epochs) < 2:
        return
    found = [round(100 * epoch.figures["validation_recall_at_1"], 1) for epoch in epochs]
    st.caption(f"Of 100 pictures it has not learned from, it now finds {wording.of_a_hundred(found[-1] / 100)} at the first try.")
    rounds = pd.DataFrame({"round": range(1, len(found) + 1), "found of 100": found})
    st.line_chart(
        rounds, x="round", y="found of 100", height=180, alt=f"Pictures found at the first try, per round; now {found[-1]} of 100"
    )
