"""What one visitor is looking at, kept between runs of the script, and the few steps that change it.

The address bar is the truth for what can be reopened: `?q=` words, `?like=` an item. Steps write it, and `follow_address_bar` reads it
back when the visitor came by a link or went back. Steps are callbacks: they run before the page is drawn again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import streamlit as st

from crossmodal.errors import CrossmodalError
from crossmodal.items import Item, Picture

T = TypeVar("T")
WORDS, PICTURE, ADDRESS = "Words", "Picture", "Address"
WAYS = (WORDS, PICTURE, ADDRESS)


@dataclass(frozen=True)
class Query:
    """A question as it was asked. `words` or `item_id` or `picture`; `label` names a picture for its asker.

    `problem` says why the question could not even be understood (an address without a picture, a broken file).
    """

    words: str = ""
    item_id: int = 0
    picture: Picture | None = field(default=None, repr=False)
    label: str = ""
    problem: CrossmodalError | None = None


def prepare() -> None:
    """Give every value of the session its beginning; does nothing the second time."""
    for key, value in {
        "query": None,
        "seen": ("", ""),
        "words": "",
        "address": "",
        "way": WORDS,
        "details": None,
        "removed": None,
    }.items():
        st.session_state.setdefault(key, value)


def query() -> Query | None:
    """What is being shown results for; None on a fresh page."""
    asked: Query | None = st.session_state.query
    return asked


def ask_words(words: str) -> None:
    """Search for words; the address bar then carries them."""
    st.session_state.words = words
    st.session_state.way = WORDS
    _show(Query(words=words) if words.strip() else None, q=words.strip() and words)


def ask_item(item_id: int) -> None:
    """Search for what is like an item of the collection."""
    st.session_state.details = None
    _show(Query(item_id=item_id), like=str(item_id))


def ask_picture(picture: Picture, label: str) -> None:
    """Search by a picture that was already looked at."""
    _show(Query(picture=picture, label=label))


def fail(problem: CrossmodalError, label: str) -> None:
    """Show why the picture asked with could not be used."""
    _show(Query(problem=problem, label=label))


def clear() -> None:
    """Back to the fresh page."""
    st.session_state.address = ""
    st.session_state.uploads = st.session_state.get("uploads", 0) + 1
    _show(None)


def follow_address_bar() -> None:
    """Take up what the address bar asks for, when somebody else than us changed it (a link, Back, Forward)."""
    q, like = now = (st.query_params.get("q", ""), st.query_params.get("like", ""))
    if now == st.session_state.seen:
        return
    st.session_state.seen = now
    st.session_state.details = None
    st.session_state.words = q
    if q.strip():
        st.session_state.query, st.session_state.way = Query(words=q), WORDS
    else:
        st.session_state.query = Query(item_id=int(like)) if like.isascii() and like.isdigit() and len(like) < 19 else None


def address_bar() -> dict[str, str]:
    """What the address bar says about the question on show."""
    return {name: value for name, value in zip(("q", "like"), st.session_state.seen, strict=True) if value}


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


def _show(asked: Query | None, *, q: str = "", like: str = "") -> None:
    """Make `asked` the question on show and write the address bar as one step of the browser's history."""
    st.session_state.query = asked
    if not q:
        st.session_state.words = ""
    st.session_state.seen = (q, like)
    wanted = address_bar()
    if wanted != st.query_params.to_dict():
        st.query_params.from_dict(wanted)
