"""The user's catalogues: list, add, and failed rows."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from crossmodal.errors import CrossmodalError
from ui import formatting, session
from ui.components import dialogs, grid, job_bar, sidebar
from ui.components.grid import BY_HAND, source_called
from ui.formatting import clean

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def listens_on_loopback() -> bool:
    """Whether only this computer can reach the app. Without a configured address, everyone can."""
    return str(st.get_option("server.address") or "").strip("[]").lower() in _LOOPBACK


if TYPE_CHECKING:
    from engine.info import SourceInfo
    from engine.live import LiveApp

_MOST_ROWS_SHOWN = 500


def show(app: "LiveApp") -> None:
    """List the catalogues with their actions."""
    with st.container():
        for number, source in enumerate(app.info().sources):
            _row(app, source, number)
    if listens_on_loopback():
        _add(app)
    else:
        st.caption("Folders and CSV files can be added while the app is open to this computer only.")


def failed_rows(app: "LiveApp") -> None:
    """List failed rows with reason and remedy, and a retry button."""
    failures = app.failures()
    if not failures:
        st.markdown("Every row of every catalogue is in the collection.")
        return
    st.markdown(f"{formatting.count(len(failures), 'row')} could not be indexed. Fix the causes below, then try again.")
    rows = [
        {
            "Title": clean(f.title),
            "Where": clean(f.location),
            "Why": clean(f.reason),
            "What helps": clean(f.remedy),
            "Catalogue": clean(f.source),
        }
        for f in failures[:_MOST_ROWS_SHOWN]
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, row_height=44, alt="Rows that failed, with reasons")
    if len(failures) > _MOST_ROWS_SHOWN:
        st.caption(f"The first {_MOST_ROWS_SHOWN} are shown.")
    if st.button("Try them again", key="retry", icon=":material/refresh:", disabled=job_bar.is_running(app)):
        begin(app.start_retry)


def begin(start: Callable[..., object], *values: str) -> None:
    """Start a job and show it, or show why it cannot be started."""
    came = session.attempt(start, *values)
    if isinstance(came, CrossmodalError):
        dialogs.show(came)
    else:
        st.rerun()


def _row(app: "LiveApp", source: "SourceInfo", number: int) -> None:
    with st.container(border=True, key=f"catalogue-{number}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            with st.container(gap="xxsmall"):
                st.text(_name(source))
                st.caption(_standing(source))
            with st.container(horizontal=True, width="content"):
                if not source.complete and st.button(
                    "Go on", key=f"go-on-{number}", icon=":material/play_arrow:", disabled=job_bar.is_running(app)
                ):
                    begin(app.start_indexing, source.location)
                if source.name != BY_HAND and st.button(
                    "Remove", key=f"remove-{number}", icon=":material/delete:", type="tertiary", disabled=job_bar.is_running(app)
                ):
                    dialogs.remove_source(app, source.name, _name(source), source.items)
        if source.name not in (BY_HAND, source.location):  # the path, unless it is the name
            st.code(clean(source.location), language=None, wrap_lines=True)


def _name(source: "SourceInfo") -> str:
    """The display name of a catalogue."""
    if source.is_demo:
        return "Demo pictures, drawn by this program"
    return source_called(source.name)


def _standing(source: "SourceInfo") -> str:
    parts = [formatting.count(source.items, "picture")]
    if source.failures:
        parts.append(f"{source.failures:,} failed")
    if not source.complete:
        parts.append("not finished")
    return " · ".join(parts)


def _add(app: "LiveApp") -> None:
    with st.form("add-catalogue", border=True, enter_to_submit=True):
        st.markdown("**Search a collection of your own**")
        st.caption(
            "A folder of pictures, or a CSV with the columns title and imgUrl, or image and caption. "
            "ZIP files, Parquet files and tar shards work, too."
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            location = st.text_input(
                "Folder or CSV", placeholder="/home/you/Pictures", key="catalogue-location", label_visibility="collapsed"
            )
            asked = st.form_submit_button("Index it", type="primary", disabled=job_bar.is_running(app))
    if asked:
        if location and location.strip():
            begin(app.start_indexing, location.strip())
        else:
            dialogs.show("No folder or CSV was given. Enter its path on this computer.")


_PER_PAGE = 30


def show_items(app: "LiveApp") -> None:
    """Show one page of the collection, oldest first, with page navigation."""
    total = app.count()
    if not total:
        st.markdown("The collection is empty. Add pictures in the sidebar, or a catalogue of your own under **Catalogues**.")
        return
    starts: tuple[int, ...] = st.session_state.get("browse", (0,))
    items = app.page(_PER_PAGE + 1, starts[-1])
    while not items and len(starts) > 1:  # the items of this page were removed
        starts = starts[:-1]
        items = app.page(_PER_PAGE + 1, starts[-1])
    shown = items[:_PER_PAGE]
    first = (len(starts) - 1) * _PER_PAGE + 1
    with st.container(horizontal=True, vertical_alignment="center", key="browse-bar"):
        st.caption(f"{first:,} to {first + len(shown) - 1:,} of {formatting.count(total, 'picture')}", width="stretch")
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
    grid.show(app, shown, where="all", columns=sidebar.wanted_columns())


def _turn_to(starts: tuple[int, ...]) -> None:
    """Go to the last of these pages. A page is identified by the item before it, so a premature second click selects the same page."""
    st.session_state.browse = starts
