"""The search form: words, a picture, or a picture's address."""

from typing import TYPE_CHECKING

import streamlit as st

from crossmodal.errors import CrossmodalError
from crossmodal.items import Picture
from ui import session
from ui.formatting import literal, shorten
from ui.url_state import EVEN, Asked

if TYPE_CHECKING:
    from engine.live import LiveApp

PICTURE_ENDINGS = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "heic", "heif", "avif"]
_ICONS = {session.WORDS: ":material/notes:", session.PICTURE: ":material/image:", session.ADDRESS: ":material/link:"}


def show(app: "LiveApp") -> None:
    """Draw the form; the query is stored in the session."""
    st.segmented_control(
        "Search by",
        session.WAYS,
        key="way",
        required=True,
        format_func=lambda way: f"{_ICONS[way]} {way}",
        label_visibility="collapsed",
        persist_state="session",
    )
    way = st.session_state.way
    if way == session.PICTURE:
        _picture(app)
    elif way == session.ADDRESS:
        _address(app)
    else:
        _words()


def _words() -> None:
    key = session.key("words")
    with st.container(horizontal=True, vertical_alignment="bottom", key="ask"):
        st.text_input(
            "Describe what you are looking for",
            session.beginning(key, session.words()),
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
        st.session_state.looked = file.file_id  # not earlier: a rerun may interrupt this one at any widget
        _ask(session.attempt(app.look_at, file.getvalue()), file.name)


def _address(app: "LiveApp") -> None:
    key = f"address-{st.session_state.uploads}"
    with st.container(horizontal=True, vertical_alignment="bottom", key="ask"):
        st.text_input(
            "Address of a picture",
            session.beginning(key, st.session_state.address),
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
            _ask(session.attempt(app.look_at, address), address)


def _ask(seen: Picture | CrossmodalError, label: str) -> None:
    """Search by a decoded picture, or show why it could not be used."""
    if isinstance(seen, CrossmodalError):
        session.fail(seen, label)
    else:
        session.ask_picture(seen, label, in_its_box=True)


def _ask_words(key: str) -> None:
    if key == session.key("words") and st.session_state.way == session.WORDS:  # ignore events of unmounted inputs
        session.ask_words(st.session_state[key], typed=True)


def _ask_address(key: str) -> None:
    if key == f"address-{st.session_state.uploads}" and st.session_state.way == session.ADDRESS:
        search_by_address(st.session_state[key])


def search_by_address(address: str) -> None:
    """Put the address into its input and search by the picture behind it."""
    st.session_state.way, st.session_state.address = session.ADDRESS, address
    st.session_state.to_fetch = address.strip()


_STEPS = tuple(step / 10 for step in range(11))
_NAMED = {0.0: "words only", EVEN: "half and half", 1.0: "picture only"}


def show_mix(asked: Asked) -> None:
    """Draw the input for words beside a picture and, if there are words, the weight slider."""
    if not asked.shows or asked.problem is not None:
        return
    words, balance = session.key("with_words"), session.key("balance")
    with st.container(key="together", horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.text_input(
            "Words to go with the picture",
            session.beginning(words, asked.words),
            key=words,
            placeholder="Add words, such as: in blue",
            icon=":material/add:",
            label_visibility="collapsed",
            autocomplete="off",
            on_change=_ask_mix,
            args=(words, balance),
        )
        if asked.words:
            share = session.beginning(balance, asked.balance)
            st.select_slider(
                "Words – picture",
                sorted({*_STEPS, asked.balance, share}),
                share,
                key=balance,
                format_func=_share_text,
                on_change=_ask_mix,
                args=(words, balance),
                width=300,
                help="Further left the words count more, further right the picture.",
            )


def _share_text(balance: float) -> str:
    return _NAMED.get(balance) or f"{round(100 * balance)} % picture"


def _ask_mix(words: str, balance: str) -> None:
    """Search with the values of the widgets with these keys, unless they are unmounted."""
    if words == session.key("with_words"):
        session.also(st.session_state[words], st.session_state.get(balance, EVEN))
