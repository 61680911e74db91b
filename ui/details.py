"""One item, large: its picture, everything known about it, and its neighbours."""

from typing import TYPE_CHECKING

import streamlit as st

from crossmodal.errors import CrossmodalError
from crossmodal.items import Item
from ui import notice, state, steps, tiles, wording
from ui.literal import clean, literal, shorten
from ui.places import go_to_search
from ui.titles import catalogue_called, title_of

if TYPE_CHECKING:
    from upkeep.live_app import LiveApp

_NEIGHBOURS = 5


def show(app: "LiveApp") -> None:
    """Open the large view when an item was chosen."""
    if st.session_state.details is not None:
        _dialog(app)


@st.dialog("Details", width=960, icon=":material/image:", on_dismiss=state.close_details)
def _dialog(app: "LiveApp") -> None:
    if st.session_state.details is None:
        return
    item = state.attempt(app.item, st.session_state.details)
    if isinstance(item, CrossmodalError):
        notice.show(item)
        return
    picture, facts = st.columns([5, 6], gap="medium")
    large = state.attempt(app.rendition, item.item_id)
    with picture, st.container(key="large"):
        if isinstance(large, CrossmodalError):
            notice.show(large)
        else:
            st.image(large, alt=shorten(title_of(item), 300), width="stretch")
    with facts:
        _facts(item)
        _actions(app, item)
    _neighbours(app, item)


def _facts(item: Item) -> None:
    with st.container(key="details-title"):
        st.text(title_of(item))
    for caption in item.captions:
        if caption != item.title:
            st.text(clean(caption))
    known = {
        **{clean(name): clean(value) for name, value in item.attributes.items() if clean(value)},
        "Size": wording.size(item.width_px, item.height_px),
        "Added": wording.date(item.added_at),
        "Catalogue": catalogue_called(item.catalogue),
    }
    st.table({literal(name): literal(shorten(value, 2_000)) for name, value in known.items()}, border="horizontal")
    if item.source:
        st.caption("Where it came from")
        st.code(clean(item.source), language=None, wrap_lines=True)


def _actions(app: "LiveApp", item: Item) -> None:
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Similar",
            key="details-similar",
            type="primary",
            icon=":material/image_search:",
            on_click=_similar,
            args=(item.item_id,),
        )
        st.button("Remove", key="details-remove", icon=":material/delete:", on_click=_remove, args=(app, item.item_id))


def _similar(item_id: int) -> None:
    steps.ask_item(item_id)
    go_to_search()


def _remove(app: "LiveApp", item_id: int) -> None:
    tiles.remove(app, item_id)
    st.rerun()


def _neighbours(app: "LiveApp", item: Item) -> None:
    near = state.attempt(app.search_by_item, item.item_id, _NEIGHBOURS)
    if isinstance(near, list) and near:
        st.caption("Nearest to it")
        tiles.show(app, [result.item for result in near], where="near", menu=False)
