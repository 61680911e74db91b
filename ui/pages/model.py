"""The page Model: quality, training history, retraining, and switching models."""

import streamlit as st

from ui.components import models, published, training
from ui.startup import the_app

app = the_app()
info = app.info()
st.title("Model")
models.quality(info.model)
training.offer(app)
training.live(app)
st.subheader("On this collection")
with st.container():
    models.show_metrics(app)
st.subheader("Published models")
published.show(app)
st.subheader("Models kept here")
models.show(app)
models.show_presets()
st.subheader("How it was trained")
models.facts(info)
training.curve(info.model)
