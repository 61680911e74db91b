"""The home page: ask, and see what is found."""

import streamlit as st

from ui import details, notice, query_box, results, sidebar, steps
from ui.starting import the_app


@st.fragment(key="search")
def search() -> None:
    app = the_app()
    query_box.show(app)
    with notice.shown():
        results.show(app, top_k=sidebar.wanted_results(), columns=sidebar.wanted_columns())
        details.show(app)


steps.follow_address_bar()
search()
