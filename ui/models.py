"""The models kept here: which is in use, changing to another, one trained elsewhere, and deleting those no longer wanted."""

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from crossmodal.errors import CrossmodalError
from ui import confirm, job_strip, notice, state, wording
from ui.access import listens_on_loopback
from ui.literal import clean, literal, shorten

if TYPE_CHECKING:
    from engine.app_info import ModelGeneration
    from upkeep.live_app import LiveApp

_IN_A_RUN = "model.pth"


def show(app: "LiveApp") -> None:
    """Every model of which something is kept, the one in use first, and what can be done with each."""
    models = state.attempt(app.models)
    if isinstance(models, CrossmodalError):
        notice.show(models)
        return
    total = app.count()
    with st.container():
        for number, model in enumerate(models):
            _row(app, model, number, total)
        others = sum(not model.active for model in models)
        if others:
            label = "Delete the other model" if others == 1 else f"Delete the {others:,} other models"
            if st.button(label, key="drop", type="tertiary", icon=":material/delete:", disabled=job_strip.is_running(app)):
                confirm.drop_models(app, others)
    if listens_on_loopback():
        _from_elsewhere(app)
    else:
        st.caption("A model trained elsewhere can be chosen while the app is open to this computer only.")


def _row(app: "LiveApp", model: "ModelGeneration", number: int, total: int) -> None:
    with (
        st.container(border=True, key=f"model-{number}"),
        st.container(horizontal=True, vertical_alignment="center"),
    ):
        with st.container(gap="xxsmall"):
            st.text(shorten(model.name, 80))
            st.caption(literal(_standing(model, total)))
        if model.active:
            st.badge("In use", icon=":material/check:", color="green")
        elif model.path is not None and st.button(
            "Use this model", key=f"use-{number}", icon=":material/swap_horiz:", disabled=job_strip.is_running(app)
        ):
            confirm.switch(app, model.path, model.name)


def _standing(model: "ModelGeneration", total: int) -> str:
    if model.items_embedded >= total:
        looked = "Every picture looked at" if total else "No picture to look at"
    else:
        looked = f"{model.items_embedded:,} of {wording.count(total, 'picture')} looked at"
    parts = [looked, model.model_id[:12]] if model.name != model.model_id[:12] else [looked]
    if model.path is None:
        parts.append("its file is gone")
    return " · ".join(parts)


def _from_elsewhere(app: "LiveApp") -> None:
    with st.form("choose-model", border=True, enter_to_submit=True):
        st.markdown("**Use a model trained elsewhere**")
        st.caption("A model file, or the run folder that a training on the command line wrote.")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            typed = st.text_input(
                "Model file or run folder", placeholder="runs/mobilenet-minilm", key="model-location", label_visibility="collapsed"
            )
            asked = st.form_submit_button("Use it", disabled=job_strip.is_running(app))
    location = clean(typed or "")
    if asked and not location:
        notice.show("No model was named. Type where its file or run folder lies on this computer.")
    elif asked:
        path = Path(location).expanduser()
        path = path / _IN_A_RUN if path.is_dir() else path
        if path.is_file():
            confirm.switch(app, path, location)
        else:
            notice.show(
                f"There is no model at {shorten(str(path), 200)}. Name a model file, or a run folder with {_IN_A_RUN} in it."
            )
