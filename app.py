"""The product: `streamlit run app.py`. Shows the start until the system runs, then the page that was asked for."""

from pathlib import Path

import streamlit as st

from ui import navigation, session, startup, theme
from ui.components import dialogs, job_bar, sidebar

_UI = Path(__file__).parent / "ui"

st.set_page_config(page_title="Visual Search", page_icon=_UI / "icon.png", layout="wide")
st.logo(_UI / "logo.svg", size="large")
theme.apply()
app = startup.starter().wait(0.2)
session.prepare()
page = navigation.navigation(hidden=app is None)
if app is None:
    startup.show()
else:
    with dialogs.shown():
        sidebar.show(app)
        job_bar.show(app)
        page.run()
    theme.listen()
