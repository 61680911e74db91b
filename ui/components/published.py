"""Published models on the page Model: licence, size, figure and speed of each, and one button to fetch and use it."""

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from crossmodal.errors import CrossmodalError
from crossmodal.hub.published import megabytes
from ui import formatting, session
from ui.components import dialogs, job_bar, sources
from ui.components.sources import listens_on_loopback
from ui.formatting import clean, literal

if TYPE_CHECKING:
    from engine.live import LiveApp
    from engine.models.published import PublishedState


def show(app: "LiveApp") -> None:
    """List the published models with their actions."""
    states = session.attempt(app.published_models)
    if isinstance(states, CrossmodalError):
        dialogs.show(states)
        return
    st.markdown(
        "Trained by their publishers on pictures and texts of the web, these find photos by words without any training here. "
        "A download can be paused and resumed; every file is checked before it is used."
    )
    total = app.count()
    with st.container():
        for number, state in enumerate(states):
            _row(app, state, number, total)
    if listens_on_loopback():
        _from_folder(app, states)


def _row(app: "LiveApp", state: "PublishedState", number: int, total: int) -> None:
    model, running = state.model, job_bar.is_running(app)
    with st.container(border=True, key=f"published-{number}"):
        with st.container(gap="xxsmall"):
            st.markdown(f"**{literal(model.title)}** · {literal(model.note)}")
            st.caption(literal(_costs(state, total)))
            st.caption(literal(_brings(state)))
        if state.in_use:
            st.badge("In use", icon=":material/check:", color="green")
            return
        with st.container(horizontal=True):
            label = "Switch to it" if state.here else "Resume and use" if state.arrived_bytes else "Download and use"
            icon = ":material/swap_horiz:" if state.here else ":material/download:"
            if st.button(label, key=f"get-{number}", icon=icon, disabled=running):
                dialogs.download(app, state)
            if state.arrived_bytes and st.button(
                "Delete", key=f"discard-{number}", icon=":material/delete:", type="tertiary", disabled=running
            ):
                sources.begin(app.discard_download, model.repository)


def _costs(state: "PublishedState", total: int) -> str:
    model, rate = state.model, state.pictures_per_s
    if state.here:
        parts = [f"{megabytes(model.size_bytes)}, on this computer"]
    elif state.arrived_bytes:
        parts = [f"{megabytes(state.arrived_bytes)} of {megabytes(model.size_bytes)} arrived"]
    else:
        parts = [f"download {megabytes(model.size_bytes)}"]
    parts.insert(0, f"Licence {model.licence}")
    if rate:
        parts.append(f"{rate:,.{0 if rate >= 10 else 1}f} pictures/s here")
        parts.append(f"about {formatting.duration(max(1.0, total / rate))} for your {formatting.count(total, 'picture')}")
    else:
        parts.append(
            f"{model.relative_cost:g} times the work of ResNet18 per picture; its speed here is measured when it is first used"
        )
    return " · ".join(parts)


def _brings(state: "PublishedState") -> str:
    to_picture, to_words = state.model.coco
    return (
        f"As published: on COCO, first for {to_picture:g} of 100 texts and {to_words:g} of 100 pictures, never having seen them "
        f"({state.model.figures_from})"
    )


def _from_folder(app: "LiveApp", states: list["PublishedState"]) -> None:
    with st.container(border=True, key="published-folder"):
        st.markdown("**Its files are on this computer already**")
        st.caption(
            "A folder with config.json, tokenizer.json and model.safetensors of one of these models. They are used where they are."
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            names = [state.model.repository for state in states]
            chosen = st.selectbox("Model", names, key="published-name", label_visibility="collapsed")
            typed = st.text_input(
                "Folder of its files", placeholder="/media/stick/siglip2", key="published-place", label_visibility="collapsed"
            )
            asked = st.button("Use it", key="use-folder", disabled=job_bar.is_running(app))
    place = clean(typed or "")
    if asked and not place:
        dialogs.show("No folder was given. Enter the path of the folder that holds the model's files.")
    elif asked:
        sources.begin(lambda: app.start_download(str(chosen), folder=Path(place).expanduser()))
