"""Training on the titles of the collection: the offer, and how the last training went."""

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
    """Offer a training when it is worth it, with what it takes; say nothing otherwise."""
    place = st.container()  # there also when nothing is said, so that a form below is not drawn anew under somebody's hands
    estimate = app.training_estimate()
    if not estimate.worthwhile or job_bar.is_running(app):
        return
    with place.container(border=True, key="training-offer"):
        st.markdown("**Learn the words of this collection**")
        st.markdown(
            f"{literal(estimate.reason)} Training takes about {formatting.duration(estimate.seconds)} in the background; "
            "you can search and leave the page meanwhile. The new model takes over only when it finds more than the present one."
        )
        if st.button("Train", type="primary", key="train", icon=":material/school:"):
            sources.begin(app.start_training)


def live(app: "LiveApp") -> None:
    """How a training under way is getting on; nothing when none is."""
    with st.container():
        if job_bar.is_running(app):
            st.fragment(_live, run_every=_LIVE_EVERY_S)(app)


def _live(app: "LiveApp") -> None:
    status = app.jobs.current()
    epochs = [moment for moment in status.log if "validation_recall_at_1" in moment.figures] if status else []
    if len(epochs) > 1:
        st.caption("The training under way: found at the first try, of 100 pictures kept out of it")
        shares = pd.DataFrame(
            {
                "epoch": range(1, len(epochs) + 1),
                "found of 100": [100 * epoch.figures["validation_recall_at_1"] for epoch in epochs],
            }
        )
        st.line_chart(shares, x="epoch", y="found of 100", height=180, alt="Pictures found at the first try per epoch, so far")


def curve(model: "ModelInfo") -> None:
    """Loss and pictures found, epoch by epoch."""
    if len(model.history) < 2:
        st.caption("There is no record of its training.")
        return
    epochs = [epoch.epoch for epoch in model.history]
    found, loss = st.columns(2)
    with found:
        st.caption("Found at the first try, of 100 pictures kept out of training")
        shares = pd.DataFrame({"epoch": epochs, "found of 100": [100 * epoch.recall_at_1 for epoch in model.history]})
        st.line_chart(shares, x="epoch", y="found of 100", height=220, alt="Pictures found at the first try per epoch")
    with loss:
        st.caption("Loss: how far matching words and pictures still are apart")
        losses = pd.DataFrame({"epoch": epochs, "loss": [epoch.loss for epoch in model.history]})
        st.line_chart(losses, x="epoch", y="loss", height=220, alt="Training loss per epoch")
