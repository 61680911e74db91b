"""The large view of an item: picture, details, and nearest neighbours."""

from typing import TYPE_CHECKING

import streamlit as st

from crossmodal.errors import CrossmodalError
from crossmodal.items import Item
from engine.query import Query
from ui import formatting, session
from ui.components import dialogs, grid
from ui.components.grid import source_called, title_of
from ui.formatting import clean, literal, shorten
from ui.navigation import go_to_search

if TYPE_CHECKING:
    from engine.live import LiveApp

_NEIGHBOURS = 5


def show(app: "LiveApp") -> None:
    """Open the large view if an item is selected."""
    if st.session_state.details is not None:
        _dialog(app)


@st.dialog("Details", width=960, icon=":material/image:", on_dismiss=session.close_details)
def _dialog(app: "LiveApp") -> None:
    if st.session_state.details is None:
        return
    item = session.attempt(app.item, st.session_state.details)
    if isinstance(item, CrossmodalError):
        dialogs.show(item)
        return
    picture, facts = st.columns([5, 6], gap="medium")
    large = session.attempt(app.rendition, item.item_id)
    with picture, st.container(key="large"):
        if isinstance(large, CrossmodalError):
            dialogs.show(large)
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
        "Size": formatting.size(item.width_px, item.height_px),
        "Added": formatting.date(item.added_at),
        "Catalogue": source_called(item.source),
    }
    st.table({literal(name): literal(shorten(value, 2_000)) for name, value in known.items()}, border="horizontal")
    if item.origin:
        st.caption("Where it came from")
        st.code(clean(item.origin), language=None, wrap_lines=True)


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
    session.ask_item(item_id)
    go_to_search()


def _remove(app: "LiveApp", item_id: int) -> None:
    grid.remove(app, item_id)
    st.rerun()


def _neighbours(app: "LiveApp", item: Item) -> None:
    near = session.attempt(app.search, Query(item_id=item.item_id, top_k=_NEIGHBOURS))
    if not isinstance(near, CrossmodalError) and near.results:
        st.caption("Nearest to it")
        grid.show(app, [result.item for result in near.results], where="near", menu=False)
