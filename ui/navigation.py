"""Page navigation."""

from pathlib import Path

import streamlit as st

from ui import session

_FOLDER = Path(__file__).parent / "pages"


def navigation(*, hidden: bool = False) -> st.Page:
    """Declare the pages and return the one to run. Also done during start-up, so that a link to a page survives it."""
    search = st.Page(
        _FOLDER / "search.py",
        title="Search",
        icon=":material/search:",
        default=True,
        help="Find a picture by words, by a picture, or by its address.",
    )
    rest = [
        st.Page(
            _FOLDER / "collection.py",
            title="Collection",
            icon=":material/photo_library:",
            help="Look through everything, add catalogues of your own, see what failed.",
        ),
        st.Page(
            _FOLDER / "model.py",
            title="Model",
            icon=":material/school:",
            help="How well it finds pictures, how it was trained, and training it again.",
        ),
        st.Page(_FOLDER / "about.py", title="About", icon=":material/info:", help="How it works, and where your pictures are."),
    ]
    st.session_state.search_page = search
    here = st.navigation([search, *rest], position="hidden" if hidden else "top")
    st.session_state.on_search = here == search
    if st.session_state.get("here") != here.url_path:
        st.session_state.here = here.url_path
        session.close_details()  # Back closes the large view together with its page
    if here != search:
        session.leave()
    return here


def go_to_search() -> None:
    """Switch to the search page with the query of the session; from a callback or from a page."""
    if st.session_state.on_search:
        st.rerun()
    st.switch_page(st.session_state.search_page, query_params=session.address_bar())
