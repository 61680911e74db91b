"""How good the model is, in words for everybody, and its particulars."""

from typing import TYPE_CHECKING

import streamlit as st

from ui import wording
from ui.literal import clean, literal

if TYPE_CHECKING:
    from engine.app_info import ModelInfo, SystemInfo


def quality(model: "ModelInfo") -> None:
    """How often a search is right, beside guessing."""
    figures = model.held_out
    if figures is None:
        st.markdown("How well it finds has not been measured: no picture with a title was kept out of its training.")
        return
    st.markdown(
        f"A test it cannot have learned by heart: **{figures.queries:,}** titles of pictures that were kept out of training were "
        f"searched for among {figures.gallery:,} such pictures. This is how often the right one was there, beside guessing."
    )
    shown = (
        (1, figures.recall_at_1, figures.chance_at_1),
        (5, figures.recall_at_5, figures.chance_at_5),
        (10, figures.recall_at_10, figures.chance_at_10),
    )
    with st.grid(3, min_column_width=190):
        for k, found, chance in shown:
            with st.container(border=True, gap="xsmall"):
                st.metric("First result" if k == 1 else f"Among the first {k}", f"{wording.of_a_hundred(found)} of 100")
                st.progress(min(1.0, found), text="This model")
                st.progress(min(1.0, chance), text=f"Guessing: {wording.of_a_hundred(chance)} of 100")
    where = "comes first" if figures.median_rank <= 1 else f"stands at place {figures.median_rank:g} or better"
    st.caption(f"In half of the searches or more the right picture {where} (median rank {figures.median_rank:g}).")


def facts(info: "SystemInfo") -> None:
    """The particulars, as a table."""
    model = info.model
    rows = {
        "Kind": f"{model.name}, embeddings of {model.embed_dim} numbers",
        "Started from": f"{model.weights}. {model.weights_note}".strip(),
        "Learned from": wording.count(model.trained_on, "picture"),
        "Trained": f"{wording.date(model.trained_at)}, in {wording.duration(model.training_seconds)}",
        "Runs on": info.device,
        "Identity": model.model_id[:16],
        "Data lies in": wording.place(info.data_dir),
    }
    st.table({name: literal(clean(value)) for name, value in rows.items()}, border="horizontal")
