"""What one visitor is looking at, kept between runs of the script, and the few steps that change it.

The address bar is the truth for what can be reopened (`question` says how). Steps write it, and `follow_address_bar` reads it back when the
visitor came by a link or went back. Steps are callbacks: they run before the page is drawn again.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import streamlit as st

from crossmodal.errors import CrossmodalError
from crossmodal.items import Item, Picture
from ui import question
from ui.question import Address, Narrowing, Query

T = TypeVar("T")
WORDS, PICTURE, ADDRESS = "Words", "Picture", "Address"
WAYS = (WORDS, PICTURE, ADDRESS)


def prepare() -> None:
    """Give every value of the session its beginning; does nothing the second time."""
    beginning: dict[str, Any] = {
        "query": None,
        "narrowing": Narrowing(),
        "seen": {},
        "words": "",
        "address": "",
        "way": WORDS,
        "details": None,
        "removed": None,
    }
    for key, value in beginning.items():
        st.session_state.setdefault(key, value)


def query() -> Query | None:
    """What is being shown results for; None on a fresh page."""
    asked: Query | None = st.session_state.query
    return asked


def narrowing() -> Narrowing:
    """What narrows the results; nothing at first."""
    wanted: Narrowing = st.session_state.narrowing
    return wanted


def ask_words(words: str) -> None:
    """Search for words; the address bar then carries them."""
    st.session_state.way = WORDS
    _show(Query(words=words) if words.strip() else None)


def ask_item(item_id: int) -> None:
    """Search for what is like an item of the collection."""
    st.session_state.details = None
    _show(Query(item_id=item_id))


def ask_picture(picture: Picture, label: str) -> None:
    """Search by a picture that was already looked at."""
    _show(Query(picture=picture, label=label))


def also(words: str, balance: float) -> None:
    """Ask the picture on show together with words; without a word by the picture alone."""
    asked = query()
    if asked is not None and asked.shows:
        _show(replace(asked, words=words.strip(), balance=balance))


def narrow(wanted: Narrowing) -> None:
    """Let only some results count, for this question and those that follow."""
    st.session_state.narrowing = wanted
    _show(query())


def fail(problem: CrossmodalError, label: str) -> None:
    """Show why the picture asked with could not be used."""
    _show(Query(problem=problem, label=label))


def clear() -> None:
    """Back to the fresh page."""
    st.session_state.address = ""
    st.session_state.uploads = st.session_state.get("uploads", 0) + 1
    st.session_state.narrowing = Narrowing()
    _show(None)


def follow_address_bar() -> None:
    """Take up what the address bar asks for, when somebody else than us changed it (a link, Back, Forward)."""
    seen, now = st.session_state.seen, question.ours(_address())
    if now == seen:
        return
    st.session_state.seen = now
    asked, st.session_state.narrowing = question.from_address(now)
    if question.asks(now) == question.asks(seen) and not question.asks(now):
        return  # only what narrows it changed: a picture, which no address carries, is still asked with
    st.session_state.details = None
    _take(asked)
    if asked is not None and not asked.shows:
        st.session_state.way = WORDS


def address_bar() -> dict[str, str | list[str]]:
    """What the address bar says about the question on show; a list where a name has several values."""
    seen: Address = st.session_state.seen
    return {name: values if len(values) > 1 else values[0] for name, values in seen.items()}


def open_details(item_id: int) -> None:
    """Show one item large."""
    st.session_state.details = item_id


def close_details() -> None:
    """The person closed the large view."""
    st.session_state.details = None


def attempt(work: Callable[..., T], *values: Any, **named: Any) -> T | CrossmodalError:
    """Call a part of the program; one of its errors comes back as a value, to be shown."""
    try:
        return work(*values, **named)
    except CrossmodalError as error:
        return error


def removed() -> Item | None:
    """The item removed last, while that can be undone."""
    item: Item | None = st.session_state.removed
    return item


def _show(asked: Query | None) -> None:
    """Make `asked` the question on show and write the address bar as one step of the browser's history."""
    _take(asked)
    st.session_state.seen = question.to_address(asked, narrowing())
    if st.session_state.seen != _address():
        st.query_params.from_dict(address_bar())


def _take(asked: Query | None) -> None:
    """Make `asked` the question on show; the box holds its words, unless they go with a picture."""
    st.session_state.query = asked
    st.session_state.words = "" if asked is None or asked.shows else asked.words


def _address() -> Address:
    return {name: st.query_params.get_all(name) for name in st.query_params}
