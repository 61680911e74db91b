"""The home page: search form and results."""

import streamlit as st

from ui import session
from ui.components import dialogs, item_dialog, query_form, results, sidebar
from ui.startup import the_app


@st.fragment(key="search")
def search() -> None:
    app = the_app()
    query_form.show(app)
    with dialogs.shown():
        results.show(app, top_k=sidebar.wanted_results(), columns=sidebar.wanted_columns())
        item_dialog.show(app)


session.follow_address_bar()
search()
