"""A grid of pictures in frames of equal size, with titles and actions."""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import streamlit as st

from crossmodal.errors import CrossmodalError
from crossmodal.items import Item
from ui import formatting, session
from ui.components import dialogs
from ui.formatting import clean, literal, shorten
from ui.navigation import go_to_search

NO_TITLE = "No title"
BY_HAND = "added"
"""The source name of items added by hand."""


def title_of(item: Item) -> str:
    """The item's title, or else its file name, or else a placeholder."""
    return (
        clean(item.title)
        or clean(PurePosixPath(urlsplit(item.origin).path if "://" in item.origin else item.origin).name)
        or NO_TITLE
    )


def source_called(name: str) -> str:
    """The display name of a catalogue."""
    return "Added by hand" if name == BY_HAND else clean(name)


if TYPE_CHECKING:
    from engine.live import LiveApp

AUTOMATIC = "Auto"
_NARROWEST_TILE_PX = 148
_LONG_TITLE = 44
_DETAILS, _REMOVE = "Details", "Remove"
_MENU_ICONS = {_DETAILS: ":material/open_in_full:", _REMOVE: ":material/delete:"}


def show(
    app: "LiveApp",
    items: Sequence[Item],
    *,
    where: str,
    scores: Sequence[float] = (),
    notes: Sequence[str] = (),
    columns: int | None = None,
    menu: bool = True,
) -> None:
    """A grid of items.

    Args:
        where: short name of the grid, part of its widget keys.
        scores: one per item, in [-1, 1], or empty.
        notes: one per item, shown beside its score, or empty.
        columns: number of columns if there is room; None for as many as fit.
        menu: whether tiles have actions.
    """
    with st.grid(columns or "auto", min_column_width=_NARROWEST_TILE_PX, gap=("medium", "small"), key=f"grid-{where}") as grid:
        for position, item in enumerate(items):
            with grid.cell():
                _tile(
                    app,
                    item,
                    where=where,
                    score=scores[position] if scores else None,
                    note=notes[position] if notes else "",
                    menu=menu,
                )


def _tile(app: "LiveApp", item: Item, *, where: str, score: float | None, note: str, menu: bool) -> None:
    title, picture = title_of(item), session.attempt(app.thumbnail, item.item_id)
    key = f"{where}-{item.item_id}"
    with st.container(key=f"tile-{key}", gap="xxsmall"):
        with st.container(key=f"face-{key}", gap="xxsmall"):
            if isinstance(picture, bytes):
                st.image(picture, alt=shorten(title, 300), width="stretch")
            st.text(title, width="stretch")
            # The style sheet places it over picture and title, so that both open the item and there is one tab stop per tile.
            st.button(
                f"Details of {literal(shorten(title, 80))}",
                key=f"open-{key}",
                help=literal(shorten(title, 600)) if len(title) > _LONG_TITLE else None,
                on_click=session.open_details,
                args=(item.item_id,),
            )
        if score is not None:
            _score(score, note, key)
        if menu:
            _actions(app, item, key)


def _score(score: float, note: str, key: str) -> None:
    with st.container(key=f"score-{key}"):
        st.progress(min(1.0, max(0.0, score)), text=" · ".join(filter(None, [formatting.score(score), note])))


def _actions(app: "LiveApp", item: Item, key: str) -> None:
    with st.container(key=f"do-{key}", horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.button(
            "Similar",
            key=f"similar-{key}",
            type="tertiary",
            icon=":material/image_search:",
            on_click=_similar,
            args=(item.item_id,),
        )
        menu = f"menu-{key}"
        st.menu_button(
            "More",
            list(_MENU_ICONS),
            key=menu,
            type="tertiary",
            icon=":material/more_horiz:",
            format_func=lambda choice: f"{_MENU_ICONS[choice]} {choice}",
            on_click=_chosen,
            args=(app, item.item_id, menu),
        )


def _similar(item_id: int) -> None:
    session.ask_item(item_id)
    if not st.session_state.on_search:
        go_to_search()


def _chosen(app: "LiveApp", item_id: int, menu: str) -> None:
    if st.session_state[menu] == _REMOVE:
        remove(app, item_id)
    else:
        session.open_details(item_id)


def remove(app: "LiveApp", item_id: int) -> None:
    """Remove an item from the collection; the page then offers to undo it."""
    gone, before = session.attempt(app.remove_item, item_id), session.removed()
    st.session_state.details = None
    if isinstance(gone, CrossmodalError) and before is not None and before.item_id == item_id:
        return  # the second of two clicks: already removed, undo is still offered
    _keep(gone)


def undo_bar(app: "LiveApp") -> None:
    """Offer to undo the last removal, or show why removing or restoring failed."""
    if (trouble := st.session_state.pop("trouble", None)) is not None:
        dialogs.show(trouble)
    gone = session.removed()
    if gone is None:
        return
    with st.container(key="undo", horizontal=True, vertical_alignment="center", border=True):
        st.text(f"Removed “{shorten(title_of(gone), 80)}”.", width="stretch")
        st.button("Undo", icon=":material/undo:", key="undo-remove", on_click=_restore, args=(app, gone.item_id))
        st.button(
            "Close",
            type="tertiary",
            icon=":material/close:",
            key="undo-close",
            on_click=lambda: st.session_state.update(removed=None),
        )


def _restore(app: "LiveApp", item_id: int) -> None:
    if session.removed() is None:
        return  # the second of two clicks
    back = session.attempt(app.restore_item, item_id)
    _keep(back if isinstance(back, CrossmodalError) else None)


def _keep(gone: Item | CrossmodalError | None) -> None:
    st.session_state.removed = gone if isinstance(gone, Item) else None
    if isinstance(gone, CrossmodalError):
        st.session_state.trouble = gone
