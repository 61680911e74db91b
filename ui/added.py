"""What came of adding pictures: which are in now, each one click from being found, and which are not and why."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import streamlit as st

from crossmodal.errors import CrossmodalError
from crossmodal.items import Picture
from ui import notice, state, steps
from ui.literal import literal, shorten
from ui.places import go_to_search

if TYPE_CHECKING:
    from upkeep.live_app import LiveApp

_SHOWN = 5


@dataclass(frozen=True)
class Added:
    """What came of adding one picture."""

    name: str
    problem: CrossmodalError | None = None
    item_id: int = 0
    created: bool = True
    picture: Picture | None = field(default=None, repr=False)


def keep(outcomes: list[Added]) -> None:
    """Remember what came of the last addition."""
    st.session_state.added = outcomes


def show(app: "LiveApp") -> None:
    """The last addition, if there was one."""
    outcomes: list[Added] = st.session_state.get("added", [])
    good = [one for one in outcomes if one.problem is None]
    if len(good) > _SHOWN:
        st.caption(f"{len(good):,} pictures added. The last of them:")
    for one in good[-_SHOWN:]:
        _row(app, one)
    for one in outcomes:
        if one.problem is not None:
            notice.show(f"{shorten(one.name, 60)}: {one.problem.sentence}")


def _row(app: "LiveApp", one: Added) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"added-{one.item_id}"):
        thumbnail = state.attempt(app.thumbnail, one.item_id)
        if isinstance(thumbnail, bytes):
            st.image(thumbnail, width=44, alt="")
        with st.container(gap=None):
            st.text("Added." if one.created else "Was already there.")
            st.caption(literal(shorten(one.name, 60)))
        st.button("Find it", key=f"find-{one.item_id}", on_click=_find, args=(one,))


def _find(one: Added) -> None:
    if one.picture is not None:
        steps.ask_picture(one.picture, one.name)
        go_to_search()
