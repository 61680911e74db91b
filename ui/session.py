"""The steps that change what is asked. They are callbacks: they run before the page is drawn again.

The address bar is the truth for what can be reopened (`question` says how). Steps write it, and `follow_address_bar` reads it back when the
visitor came by a link or went back. A browser may still speak of the page before while the next is on its way: a timer sends the old
contents of the boxes along, a slider the old address. Steps from elsewhere therefore begin a new turn, with new boxes (`state.key`), and
an address is not followed back unless the person went back.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from crossmodal.errors import CrossmodalError
from crossmodal.items import Item, Picture
from ui import url_state
from ui.url_state import Address, Narrowing, Query

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


def ask_words(words: str, *, typed: bool = False) -> None:
    """Search for words, chosen or `typed` into their box; the address bar then carries them."""
    st.session_state.way = WORDS
    _let_go_of_picture()
    if not typed or not words.strip():
        _renew()
    _show(Query(words=words) if words.strip() else None)


def ask_item(item_id: int) -> None:
    """Search for what is like an item of the collection."""
    st.session_state.details = None
    _let_go_of_picture()
    _renew()
    _show(Query(item_id=item_id))


def ask_picture(picture: Picture, label: str, *, in_its_box: bool = False) -> None:
    """Search by a picture that was already looked at; `in_its_box` when the box for pictures or addresses shows where it came from."""
    if not in_its_box:
        _let_go_of_picture()
    _renew()
    _show(Query(picture=picture, label=label))


def also(words: str, balance: float) -> None:
    """Ask the picture on show together with words; without a word by the picture alone."""
    asked = query()
    if asked is not None and asked.shows:
        if words != words.strip():
            _renew()
        _show(replace(asked, words=words.strip(), balance=balance))


def narrow(wanted: Narrowing) -> None:
    """Let only some results count, for this question and those that follow."""
    st.session_state.narrowing = wanted
    _show(query())


def widen() -> None:
    """Let every result count again."""
    _renew()
    narrow(Narrowing())


def fail(problem: CrossmodalError, label: str) -> None:
    """Show why the picture asked with could not be used."""
    _renew()
    _show(Query(problem=problem, label=label))


def clear() -> None:
    """Back to the fresh page."""
    _let_go_of_picture()
    st.session_state.narrowing = Narrowing()
    _renew()
    _show(None)


def follow_address_bar() -> None:
    """Take up what the address bar asks for, when somebody else than us changed it (a link, Back, Forward)."""
    seen, now = st.session_state.seen, url_state.ours(_address())
    if now == seen or (now == st.session_state.replaced and not _went_back()):
        return
    _renew()
    st.session_state.seen, st.session_state.replaced = now, None
    asked, st.session_state.narrowing = url_state.from_address(now)
    if url_state.asks(now) == url_state.asks(seen) and not url_state.asks(now):
        return  # only what narrows it changed: a picture, which no address carries, is still asked with
    st.session_state.details = None
    st.session_state.query = asked
    _let_go_of_picture()
    if asked is not None and not asked.shows:
        st.session_state.way = WORDS


def leave() -> None:
    """Another page than the search is shown: what the address bar says after it is what the person wants."""
    st.session_state.replaced = None


def address_bar() -> dict[str, str | list[str]]:
    """What the address bar says about the question on show; a list where a name has several values."""
    seen: Address = st.session_state.seen
    return {name: values if len(values) > 1 else values[0] for name, values in seen.items()}


def _show(asked: Query | None) -> None:
    """Make `asked` the question on show and write the address bar as one step of the browser's history."""
    st.session_state.query = asked
    st.session_state.seen = url_state.to_address(asked, narrowing())
    if st.session_state.seen != _address():
        st.session_state.replaced = url_state.ours(_address())
        st.query_params.from_dict(address_bar())


def _let_go_of_picture() -> None:
    """Empty the boxes for a picture and its address: something else is asked now, and they would seem to say what is shown."""
    st.session_state.address = st.session_state.to_fetch = ""
    st.session_state.uploads += 1


def _renew() -> None:
    st.session_state.turn += 1


def _went_back() -> bool:
    """Whether Back or Forward brought this address; a message without them may not have heard of the last change yet."""
    run = get_script_run_ctx()
    return run is not None and run.is_history_navigation


def _address() -> Address:
    return {name: st.query_params.get_all(name) for name in st.query_params}
