"""Entry point: `streamlit run app.py`. Shows the start-up progress until the system runs, then the requested page.

Streamlit loads this file twice: once for the server's ASGI application, which also serves the API, and at every visit as the script that
renders the page.
"""

from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from streamlit.runtime.scriptrunner import get_script_run_ctx

from api.mount import MountedApi
from api.settings import options_from
from ui import navigation, server, session, startup, theme
from ui.components import dialogs, job_bar, sidebar

_UI = Path(__file__).parent / "ui"

if get_script_run_ctx(suppress_warning=True) is None:
    api = MountedApi(startup.running, lambda: options_from(server.settings()), base_path=server.base_path())
    app = st.App(__file__, middleware=[Middleware(api.around)], lifespan=server.lifespan(api.serving))
else:
    st.set_page_config(page_title="Visual Search", page_icon=_UI / "icon.png", layout="wide")
    st.logo(_UI / "logo.svg", size="large")
    theme.apply()
    running = startup.starter().wait(0.2)
    session.prepare()
    page = navigation.navigation(hidden=running is None)
    if running is None:
        startup.show()
    else:
        with dialogs.shown():
            sidebar.show(running)
            job_bar.show(running)
            page.run()
        theme.listen()
