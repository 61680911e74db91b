"""The model: how well it finds, how it was trained, and training it again."""

import streamlit as st

from ui import model_card, training
from ui.starting import the_app

app = the_app()
info = app.info()
st.title("Model")
model_card.quality(info.model)
training.offer(app)
training.live(app)
st.subheader("How it was trained")
model_card.facts(info)
training.curve(info.model)
