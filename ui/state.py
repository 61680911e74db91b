"""What one visitor is looking at, kept between runs of the script; `steps` change it."""

from collections.abc import Callable
from typing import Any, TypeVar

import streamlit as st

from crossmodal.errors import CrossmodalError
from crossmodal.items import Item
from ui.question import Narrowing, Query

T = TypeVar("T")
WORDS, PICTURE, ADDRESS = "Words", "Picture", "Address"
WAYS = (WORDS, PICTURE, ADDRESS)


def prepare() -> None:
    """Give every value of the session its beginning; does nothing the second time."""
    beginning: dict[str, Any] = {
        "query": None,
        "narrowing": Narrowing(),
        "seen": {},
        "replaced": None,
        "turn": 0,
        "beginnings": {},
        "address": "",
        "to_fetch": "",
        "uploads": 0,
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


def key(name: str) -> str:
    """The key of a box that shows part of the question: a new one whenever something else than the boxes changes it.

    What the browser still says of the box before is then said of a box that is gone, and is not taken for an answer.
    """
    return f"{name}-{st.session_state.turn}"


def beginning(key: str, value: T) -> T:
    """What the box with this key begins with: `value` when it is new, the same as long as it is shown.

    It goes to the browser as part of the box. A value that was set afterwards may not have arrived when a timer asks, and the empty box
    would be taken for an answer.
    """
    if key not in st.session_state:
        shown = {each: first for each, first in st.session_state.beginnings.items() if each in st.session_state}
        st.session_state.beginnings = {**shown, key: value}
    first: T = st.session_state.beginnings[key]
    return first


def words() -> str:
    """What the box for words shows: nothing where they go with a picture, which has a box of its own."""
    asked = query()
    return "" if asked is None or asked.shows else asked.words


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
