"""The product: `streamlit run app.py`. Shows the start until the system runs, then the page that was asked for."""

from pathlib import Path

import streamlit as st

from ui import first_start, job_strip, keys, notice, places, sidebar, starting, state, style

_UI = Path(__file__).parent / "ui"

st.set_page_config(page_title="Visual Search", page_icon=_UI / "icon.png", layout="wide")
st.logo(_UI / "logo.svg", size="large")
style.apply()
app = starting.starter().wait(0.2)
state.prepare()
page = places.navigation(hidden=app is None)
if app is None:
    first_start.show()
else:
    with notice.shown():
        sidebar.show(app)
        job_strip.show(app)
        page.run()
    keys.listen()
