"""Looking through everything, one page at a time."""

from typing import TYPE_CHECKING

import streamlit as st

from ui import sidebar, tiles, wording

if TYPE_CHECKING:
    from upkeep.live_app import LiveApp

_PER_PAGE = 30


def show(app: "LiveApp") -> None:
    """A page of the collection, oldest first, and the way to the next."""
    total = app.count()
    if not total:
        st.markdown("The collection is empty. Add pictures in the sidebar, or a catalogue of your own under **Catalogues**.")
        return
    starts: tuple[int, ...] = st.session_state.get("browse", (0,))
    items = app.page(_PER_PAGE + 1, starts[-1])
    while not items and len(starts) > 1:  # what was here is gone by now
        starts = starts[:-1]
        items = app.page(_PER_PAGE + 1, starts[-1])
    shown = items[:_PER_PAGE]
    first = (len(starts) - 1) * _PER_PAGE + 1
    with st.container(horizontal=True, vertical_alignment="center", key="browse-bar"):
        st.caption(f"{first:,} to {first + len(shown) - 1:,} of {wording.count(total, 'picture')}", width="stretch")
        st.button(
            "Back",
            key="browse-back",
            icon=":material/chevron_left:",
            disabled=len(starts) < 2,
            on_click=_turn_to,
            args=(starts[:-1],),
        )
        st.button(
            "Next",
            key="browse-next",
            icon=":material/chevron_right:",
            icon_position="right",
            disabled=len(items) <= _PER_PAGE,
            on_click=_turn_to,
            args=((*starts, shown[-1].item_id if shown else 0),),
        )
    tiles.show(app, shown, where="all", columns=sidebar.wanted_columns())


def _turn_to(starts: tuple[int, ...]) -> None:
    """Show the last of these pages. Each is named by the item before it; a second click that came too early names the same again."""
    st.session_state.browse = starts
