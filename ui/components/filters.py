"""The filter form: attribute values, a minimum score, and what words find pictures by."""

import time
from typing import TYPE_CHECKING

import streamlit as st

from engine.query import SIGNALS, Signal
from ui import formatting, session
from ui.formatting import literal, shorten
from ui.url_state import ResultFilter

if TYPE_CHECKING:
    from engine.live import LiveApp

_MOST_VALUES, _MOST_PILLS = 40, 12
_MOST_ATTRIBUTES = 6
_KEPT_S = 60.0

Offer = dict[str, list[tuple[str, int]]]
"""Attribute → its values with picture counts, most frequent first."""
_SIGNAL_NAMES: dict[Signal, str] = {"joined": "Words and likeness", "words": "Words alone", "likeness": "Likeness alone"}
_Boxes = tuple[str, dict[str, str]]
"""Widget keys: the one for the score, and those for attributes by name."""


def show(app: "LiveApp") -> None:
    """Draw the expander; its values are stored in the session."""
    wanted = session.result_filter()
    box = st.expander("Narrow down", key="narrow", icon=":material/tune:", on_change="rerun", type="compact")
    if not box.open:
        return
    with box:
        offer = _offer(app)
        boxes = {name: session.key(f"narrow-{name}") for name in offer}
        score = session.key("min_score")
        for name, values in offer.items():
            _attribute(name, values, wanted.where.get(name, ()), key=boxes[name], args=(score, boxes))
        st.session_state.setdefault(score, wanted.min_score or 0.0)
        st.slider(
            "Score at least (0: any)",
            0.0,
            1.0,
            step=0.05,
            key=score,
            format="%.2f",
            width=320,
            on_change=_take,
            args=(score, boxes),
        )
        signal = session.key("signal")
        st.session_state.setdefault(signal, wanted.signal)
        st.segmented_control(
            "Words find pictures by",
            SIGNALS,
            key=signal,
            required=True,
            format_func=lambda signal: _SIGNAL_NAMES[signal],
            on_change=_take,
            args=(score, boxes),
        )
        if wanted:
            st.button("Show all again", key="narrow-reset", icon=":material/close:", on_click=session.widen)


def phrase(wanted: ResultFilter) -> str:
    """Describe the filter: `category mug or hat, score 0.20 or more`; empty without a filter."""
    parts = [
        f"{shorten(name, 40)} {' or '.join(shorten(value, 40) or 'none' for value in values)}"
        for name, values in wanted.where.items()
    ]
    if wanted.min_score is not None:
        parts.append(f"score {formatting.score(wanted.min_score)} or more")
    if wanted.signal != "joined":
        parts.append(f"by {_SIGNAL_NAMES[wanted.signal].lower()}")
    return shorten(", ".join(parts), 160)


def _attribute(name: str, values: list[tuple[str, int]], chosen: tuple[str, ...], *, key: str, args: _Boxes) -> None:
    counts = dict(values) | {value: 0 for value in chosen if value not in dict(values)}
    st.session_state.setdefault(key, [value for value in counts if value in chosen])
    label = literal(shorten(name, 40))
    if len(counts) <= _MOST_PILLS:
        st.pills(
            label,
            list(counts),
            selection_mode="multi",
            key=key,
            format_func=lambda value: f"{literal(shorten(value, 40)) or 'none'} · {counts[value]:,}",
            on_change=_take,
            args=args,
        )
    else:
        st.multiselect(
            label,
            list(counts),
            key=key,
            format_func=lambda value: f"{shorten(value, 60) or 'none'} · {counts[value]:,}",
            placeholder="Any",
            on_change=_take,
            args=args,
            width=480,
        )


def _take(score: str, boxes: dict[str, str]) -> None:
    """Set the filter from the widgets with these keys, unless they are unmounted; drops filters from a link that have no widget."""
    if score == session.key("min_score"):
        chosen = {name: tuple(st.session_state[key]) for name, key in boxes.items()}
        where = {name: values for name, values in chosen.items() if values}
        session.set_filter(ResultFilter(where, st.session_state[score] or None, st.session_state[session.key("signal")]))


def _offer(app: "LiveApp") -> Offer:
    """Attributes with more than one value, but not too many. Cached for a minute, because counting reads the whole collection."""
    kept = st.session_state.get("narrow_offer")
    if kept is None or kept[0] != app.count() or time.monotonic() - kept[1] > _KEPT_S:
        found = app.attribute_values(_MOST_VALUES + 1)
        few = {name: values for name, values in found.items() if 2 <= len(values) <= _MOST_VALUES}
        kept = (app.count(), time.monotonic(), dict(list(few.items())[:_MOST_ATTRIBUTES]))
        st.session_state.narrow_offer = kept
    offer: Offer = kept[2]
    return offer
