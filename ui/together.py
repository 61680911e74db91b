"""Words to go with a picture: "like this, but blue". Offered wherever a picture is asked with."""

import streamlit as st

from ui import state, steps
from ui.question import EVEN, Query

_STEPS = tuple(step / 10 for step in range(11))
_NAMED = {0.0: "words only", EVEN: "half and half", 1.0: "picture only"}


def show(asked: Query) -> None:
    """The box for the words and, once there are some, how much they count beside the picture."""
    if not asked.shows or asked.problem is not None:
        return
    words, balance = state.key("with_words"), state.key("balance")
    with st.container(key="together", horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.text_input(
            "Words to go with the picture",
            state.beginning(words, asked.words),
            key=words,
            placeholder="Add words, such as: in blue",
            icon=":material/add:",
            label_visibility="collapsed",
            autocomplete="off",
            on_change=_ask,
            args=(words, balance),
        )
        if asked.words:
            share = state.beginning(balance, asked.balance)
            st.select_slider(
                "Words – picture",
                sorted({*_STEPS, asked.balance, share}),
                share,
                key=balance,
                format_func=_said,
                on_change=_ask,
                args=(words, balance),
                width=300,
                help="Further left the words count more, further right the picture.",
            )


def _said(balance: float) -> str:
    return _NAMED.get(balance) or f"{round(100 * balance)} % picture"


def _ask(words: str, balance: str) -> None:
    """Ask with what the boxes of these keys hold, unless they are gone."""
    if words == state.key("with_words"):
        steps.also(st.session_state[words], st.session_state.get(balance, EVEN))
