"""Training on the collection's titles: the offer, progress, and history."""

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from ui import formatting
from ui.components import job_bar, sources
from ui.formatting import literal

if TYPE_CHECKING:
    from engine.info import ModelInfo
    from engine.live import LiveApp


_LIVE_EVERY_S = 2.0


def offer(app: "LiveApp") -> None:
    """Offer training if it is worthwhile, with its estimated duration."""
    place = st.container()  # always present, so that a form below keeps its position and contents
    estimate = app.training_estimate()
    if not estimate.worthwhile or job_bar.is_running(app):
        return
    with place.container(border=True, key="training-offer"):
        st.markdown("**Learn the words of this collection**")
        st.markdown(
            f"{literal(estimate.reason)} Training takes about {formatting.duration(estimate.seconds)} in the background; "
            "you can search and leave the page meanwhile. The new model takes over only if it finds more than the current one."
        )
        if st.button("Train", type="primary", key="train", icon=":material/school:"):
            sources.begin(app.start_training)


def live(app: "LiveApp") -> None:
    """Show the progress of a running training, if any."""
    with st.container():
        if job_bar.is_running(app):
            st.fragment(_live, run_every=_LIVE_EVERY_S)(app)


def _live(app: "LiveApp") -> None:
    status = app.jobs.current()
    epochs = [moment for moment in status.log if "validation_recall_at_1" in moment.figures] if status else []
    if len(epochs) > 1:
        st.caption("Training in progress: found at the first try, of 100 pictures held out from it")
        shares = pd.DataFrame(
            {
                "epoch": range(1, len(epochs) + 1),
                "found of 100": [100 * epoch.figures["validation_recall_at_1"] for epoch in epochs],
            }
        )
        st.line_chart(shares, x="epoch", y="found of 100", height=180, alt="Pictures found at the first try per epoch, so far")


def curve(model: "ModelInfo") -> None:
    """Plot loss and pictures found per epoch."""
    if len(model.history) < 2:
        st.caption("There is no record of its training.")
        return
    epochs = [epoch.epoch for epoch in model.history]
    found, loss = st.columns(2)
    with found:
        st.caption("Found at the first try, of 100 pictures held out from training")
        shares = pd.DataFrame({"epoch": epochs, "found of 100": [100 * epoch.recall_at_1 for epoch in model.history]})
        st.line_chart(shares, x="epoch", y="found of 100", height=220, alt="Pictures found at the first try per epoch")
    with loss:
        st.caption("Loss: how far apart matching words and pictures still are")
        losses = pd.DataFrame({"epoch": epochs, "loss": [epoch.loss for epoch in model.history]})
        st.line_chart(losses, x="epoch", y="loss", height=220, alt="Training loss per epoch")
