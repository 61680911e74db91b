"""Where a person asks: words, a picture, or a picture's address, each one click away."""

from typing import TYPE_CHECKING

import streamlit as st

from crossmodal.errors import CrossmodalError
from crossmodal.items import Picture
from ui import state, steps
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
    key = state.key("words")
    with st.container(horizontal=True, vertical_alignment="bottom", key="ask"):
        st.text_input(
            "Describe what you are looking for",
            state.beginning(key, state.words()),
            key=key,
            type="search",
            placeholder="Describe it",
            icon=":material/search:",
            label_visibility="collapsed",
            autocomplete="off",
            on_change=_ask_words,
            args=(key,),
        )
        st.button("Search", type="primary", key="search-words", on_click=_ask_words, args=(key,))


def _picture(app: "LiveApp") -> None:
    key = f"upload-{st.session_state.uploads}"
    file = st.file_uploader("A picture to search with", type=PICTURE_ENDINGS, key=key, label_visibility="collapsed")
    if file is None or st.session_state.get("looked") == file.file_id:
        return
    with st.spinner("Looking at your picture"):
        st.session_state.looked = file.file_id  # not before: a run may be broken off where something is drawn
        _ask(state.attempt(app.look_at, file.getvalue()), file.name)


def _address(app: "LiveApp") -> None:
    key = f"address-{st.session_state.uploads}"
    with st.container(horizontal=True, vertical_alignment="bottom", key="ask"):
        st.text_input(
            "Address of a picture",
            state.beginning(key, st.session_state.address),
            key=key,
            placeholder="https:// … the picture's own address",
            icon=":material/link:",
            label_visibility="collapsed",
            autocomplete="off",
            on_change=_ask_address,
            args=(key,),
        )
        st.button("Search", type="primary", key="search-address", on_click=_ask_address, args=(key,))
    address = st.session_state.to_fetch
    if address:
        with st.spinner(f"Fetching the picture from {literal(shorten(address, 80))}"):
            st.session_state.to_fetch = ""
            _ask(state.attempt(app.look_at, address), address)


def _ask(seen: Picture | CrossmodalError, label: str) -> None:
    """Search by a picture that was looked at, or tell why it could not be."""
    if isinstance(seen, CrossmodalError):
        steps.fail(seen, label)
    else:
        steps.ask_picture(seen, label, in_its_box=True)


def _ask_words(key: str) -> None:
    if key == state.key("words") and st.session_state.way == state.WORDS:  # a box that is not shown any more says nothing
        steps.ask_words(st.session_state[key], typed=True)


def _ask_address(key: str) -> None:
    if key == f"address-{st.session_state.uploads}" and st.session_state.way == state.ADDRESS:
        search_by_address(st.session_state[key])


def search_by_address(address: str) -> None:
    """Show the address in its box, and search by the picture it leads to."""
    st.session_state.way, st.session_state.address = state.ADDRESS, address
    st.session_state.to_fetch = address.strip()
