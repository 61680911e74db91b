"""The model: how well it finds, how it was trained, training it again, and changing to another one."""

import streamlit as st

from ui import measured, model_card, models, presets, training
from ui.starting import the_app

app = the_app()
info = app.info()
st.title("Model")
model_card.quality(info.model)
training.offer(app)
training.live(app)
st.subheader("On this collection")
with st.container():
    measured.show(app)
st.subheader("Models kept here")
models.show(app)
presets.show()
st.subheader("How it was trained")
model_card.facts(info)
training.curve(info.model)
