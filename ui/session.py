"""Session state of the search and the actions that change it. Actions are callbacks: they run before the page is rendered again.

The address bar is the source of truth for searches that can be reopened (format in `ui.url_state`). Actions write it, and
`follow_address_bar` reads it after a link, Back or Forward. Streamlit may deliver a widget event from the previous render (a timer or
slider) after a rerun has begun, with old widget values or the old address. Actions outside the query form therefore start a new turn with
new widget keys (`key`), and an older address is applied only if the user went back.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from crossmodal.errors import CrossmodalError
from crossmodal.items import Item, Picture
from ui import url_state
from ui.url_state import Address, Asked, ResultFilter

T = TypeVar("T")
WORDS, PICTURE, ADDRESS = "Words", "Picture", "Address"
WAYS = (WORDS, PICTURE, ADDRESS)


def prepare() -> None:
    """Initialise the session state; does nothing the second time."""
    beginning: dict[str, Any] = {
        "query": None,
        "result_filter": ResultFilter(),
        "offset": 0,
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


def query() -> Asked | None:
    """The current query; None on a fresh page."""
    asked: Asked | None = st.session_state.query
    return asked


def result_filter() -> ResultFilter:
    """The current filter; initially empty."""
    wanted: ResultFilter = st.session_state.result_filter
    return wanted


def offset() -> int:
    """Number of best results before those that are shown; 0 on the first page."""
    skipped: int = st.session_state.offset
    return skipped


def key(name: str) -> str:
    """The widget key of an input that shows part of the query; changes whenever something other than the inputs changes the query.

    Late events of the previous input then refer to an unmounted widget and are ignored.
    """
    return f"{name}-{st.session_state.turn}"


def beginning(key: str, value: T) -> T:
    """The initial value of the input with this key: `value` when it is new, then constant as long as it is shown.

    It is passed as widget argument. A value set afterwards might not have reached the browser when a timer fires, and the empty input would
    be taken for user input.
    """
    if key not in st.session_state:
        shown = {each: first for each, first in st.session_state.beginnings.items() if each in st.session_state}
        st.session_state.beginnings = {**shown, key: value}
    first: T = st.session_state.beginnings[key]
    return first


def words() -> str:
    """The content of the text input; empty for a combined query, whose words have their own input."""
    asked = query()
    return "" if asked is None or asked.shows else asked.words


def open_details(item_id: int) -> None:
    """Show one item large."""
    st.session_state.details = item_id


def close_details() -> None:
    """Close the large view."""
    st.session_state.details = None


def attempt(work: Callable[..., T], *values: Any, **named: Any) -> T | CrossmodalError:
    """Call `work`; a `CrossmodalError` is returned as a value, to be displayed."""
    try:
        return work(*values, **named)
    except CrossmodalError as error:
        return error


def removed() -> Item | None:
    """The item removed last, while the removal can be undone."""
    item: Item | None = st.session_state.removed
    return item


def ask_words(words: str, *, typed: bool = False) -> None:
    """Search for words, chosen or `typed` into the input, and put them into the address bar."""
    st.session_state.way = WORDS
    _let_go_of_picture()
    if not typed or not words.strip():
        _renew()
    _show(Asked(words=words) if words.strip() else None)


def ask_item(item_id: int) -> None:
    """Search for items similar to an item of the collection."""
    st.session_state.details = None
    _let_go_of_picture()
    _renew()
    _show(Asked(item_id=item_id))


def ask_picture(picture: Picture, label: str, *, in_its_box: bool = False) -> None:
    """Search by a decoded picture; `in_its_box` if the upload or address input shows where it came from."""
    if not in_its_box:
        _let_go_of_picture()
    _renew()
    _show(Asked(picture=picture, label=label))


def also(words: str, balance: float) -> None:
    """Combine the current picture with words; without words, search by the picture alone."""
    asked = query()
    if asked is not None and asked.shows:
        if words != words.strip():
            _renew()
        _show(replace(asked, words=words.strip(), balance=balance))


def set_filter(wanted: ResultFilter) -> None:
    """Set the filter for this and following queries."""
    st.session_state.result_filter = wanted
    _show(query())


def widen() -> None:
    """Remove the filter."""
    _renew()
    set_filter(ResultFilter())


def skip(results: int) -> None:
    """Show the page of results after this many. Absolute, so that a premature second click selects the same page."""
    _show(query(), offset=results)


def fail(problem: CrossmodalError, label: str) -> None:
    """Show why the query picture could not be used."""
    _renew()
    _show(Asked(problem=problem, label=label))


def clear() -> None:
    """Return to the fresh page."""
    _let_go_of_picture()
    st.session_state.result_filter = ResultFilter()
    _renew()
    _show(None)


def follow_address_bar() -> None:
    """Apply the query of the address bar if the browser changed it (a link, Back, Forward)."""
    seen, now = st.session_state.seen, url_state.ours(_address())
    if now == seen or (now == st.session_state.replaced and not _went_back()):
        return
    _renew()
    st.session_state.seen, st.session_state.replaced = now, None
    asked, st.session_state.result_filter = url_state.from_address(now)
    st.session_state.offset = url_state.offset_of(now)
    if url_state.asks(now) == url_state.asks(seen) and not url_state.asks(now):
        return  # only the filter changed: a query picture, which the address does not contain, stays
    st.session_state.details = None
    st.session_state.query = asked
    _let_go_of_picture()
    if asked is not None and not asked.shows:
        st.session_state.way = WORDS


def leave() -> None:
    """Note that a page other than the search is shown, so that the address bar is applied on return."""
    st.session_state.replaced = None


def address_bar() -> dict[str, str | list[str]]:
    """The address bar parameters of the current query; a list for a name with several values."""
    seen: Address = st.session_state.seen
    return {name: values if len(values) > 1 else values[0] for name, values in seen.items()}


def _show(asked: Asked | None, *, offset: int = 0) -> None:
    """Make `asked` the current query and write the address bar as one step of the browser history."""
    st.session_state.query, st.session_state.offset = asked, offset
    st.session_state.seen = url_state.to_address(asked, result_filter(), offset)
    if st.session_state.seen != _address():
        st.session_state.replaced = url_state.ours(_address())
        st.query_params.from_dict(address_bar())


def _let_go_of_picture() -> None:
    """Clear the picture and address inputs, because the current query no longer comes from them."""
    st.session_state.address = st.session_state.to_fetch = ""
    st.session_state.uploads += 1


def _renew() -> None:
    st.session_state.turn += 1


def _went_back() -> bool:
    """Whether Back or Forward led to this address; other events may carry an outdated address."""
    run = get_script_run_ctx()
    return run is not None and run.is_history_navigation


def _address() -> Address:
    return {name: st.query_params.get_all(name) for name in st.query_params}
