"""Where a person asks: words, a picture, or a picture's address, each one click away."""

from typing import TYPE_CHECKING

import streamlit as st

from crossmodal.errors import CrossmodalError
from crossmodal.items import Picture
from ui import state
from ui.literal import literal, shorten

if TYPE_CHECKING:
    from upkeep.live_app import LiveApp

PICTURE_ENDINGS = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "heic", "heif", "avif"]
_ICONS = {state.WORDS: ":material/notes:", state.PICTURE: ":material/image:", state.ADDRESS: ":material/link:"}


def show(app: "LiveApp") -> None:
    """The way of asking and its box. What was asked ends up in `state`."""
    st.segmented_control(
        "Search by",
        state.WAYS,
        key="way",
        required=True,
        format_func=lambda way: f"{_ICONS[way]} {way}",
        label_visibility="collapsed",
        persist_state="session",
    )
    way = st.session_state.way
    if way == state.PICTURE:
        _picture(app)
    elif way == state.ADDRESS:
        _address(app)
    else:
        _words()


def _words() -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", key="ask"):
        st.text_input(
            "Describe what you are looking for",
            key="words",
            type="search",
            placeholder="Describe it",
            icon=":material/search:",
            label_visibility="collapsed",
            autocomplete="off",
            on_change=_ask_words,
            persist_state="session",
        )
        st.button("Search", type="primary", key="search-words", on_click=_ask_words)


def _picture(app: "LiveApp") -> None:
    uploads = f"upload-{st.session_state.get('uploads', 0)}"
    file = st.file_uploader("A picture to search with", type=PICTURE_ENDINGS, key=uploads, label_visibility="collapsed")
    if file is None or st.session_state.get("looked") == file.file_id:
        return
    st.session_state.looked = file.file_id
    with st.spinner("Looking at your picture"):
        _ask(state.attempt(app.look_at, file.getvalue()), file.name)


def _address(app: "LiveApp") -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", key="ask"):
        st.text_input(
            "Address of a picture",
            key="address",
            placeholder="https:// … the picture's own address",
            icon=":material/link:",
            label_visibility="collapsed",
            autocomplete="off",
            on_change=_ask_address,
            persist_state="session",
        )
        st.button("Search", type="primary", key="search-address", on_click=_ask_address)
    address = st.session_state.pop("to_fetch", "")
    if address:
        with st.spinner(f"Fetching the picture from {literal(shorten(address, 80))}"):
            _ask(state.attempt(app.look_at, address), address)


def _ask(seen: Picture | CrossmodalError, label: str) -> None:
    """Search by a picture that was looked at, or tell why it could not be."""
    if isinstance(seen, CrossmodalError):
        state.fail(seen, label)
    else:
        state.ask_picture(seen, label)


def _ask_words() -> None:
    words = st.session_state.words
    state.ask_words(words)


def _ask_address() -> None:
    st.session_state.to_fetch = st.session_state.address.strip()


def search_by_address(address: str) -> None:
    """Switch to the address way with this address, and search."""
    st.session_state.way, st.session_state.address = state.ADDRESS, address
    _ask_address()
