"""Catalogues of the person's own: which are there, adding one, and the rows that failed."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from crossmodal.errors import CrossmodalError
from ui import confirm, job_strip, notice, state, wording
from ui.access import listens_on_loopback
from ui.literal import clean
from ui.titles import BY_HAND, catalogue_called

if TYPE_CHECKING:
    from engine.app_info import CatalogueInfo
    from upkeep.live_app import LiveApp

_MOST_ROWS_SHOWN = 500


def show(app: "LiveApp") -> None:
    """The catalogues, each with what can be done with it."""
    with st.container():
        for number, catalogue in enumerate(app.info().catalogues):
            _row(app, catalogue, number)
    if listens_on_loopback():
        _add(app)
    else:
        st.caption("Folders and CSV files can be added while the app is open to this computer only.")


def failed_rows(app: "LiveApp") -> None:
    """Rows that are not in the collection, with the reason and the cure, and a second try."""
    failures = app.failures()
    if not failures:
        st.markdown("Every row of every catalogue is in the collection.")
        return
    st.markdown(f"{wording.count(len(failures), 'row')} could not be indexed. Repair what is named, then try again.")
    rows = [
        {
            "Title": clean(f.title),
            "Where": clean(f.location),
            "Why": clean(f.reason),
            "What helps": clean(f.remedy),
            "Catalogue": clean(f.catalogue),
        }
        for f in failures[:_MOST_ROWS_SHOWN]
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, row_height=44, alt="Rows that failed, with reasons")
    if len(failures) > _MOST_ROWS_SHOWN:
        st.caption(f"The first {_MOST_ROWS_SHOWN} are shown.")
    if st.button("Try them again", key="retry", icon=":material/refresh:", disabled=job_strip.is_running(app)):
        begin(app.start_retry)


def begin(start: Callable[..., object], *values: str) -> None:
    """Start a job and show it, or say why not."""
    came = state.attempt(start, *values)
    if isinstance(came, CrossmodalError):
        notice.show(came)
    else:
        st.rerun()


def _row(app: "LiveApp", catalogue: "CatalogueInfo", number: int) -> None:
    with st.container(border=True, key=f"catalogue-{number}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            with st.container(gap="xxsmall"):
                st.text(_name(catalogue))
                st.caption(_standing(catalogue))
            with st.container(horizontal=True, width="content"):
                if not catalogue.complete and st.button(
                    "Go on", key=f"go-on-{number}", icon=":material/play_arrow:", disabled=job_strip.is_running(app)
                ):
                    begin(app.start_indexing, catalogue.location)
                if catalogue.name != BY_HAND and st.button(
                    "Remove", key=f"remove-{number}", icon=":material/delete:", type="tertiary", disabled=job_strip.is_running(app)
                ):
                    confirm.remove_catalogue(app, catalogue.name, _name(catalogue), catalogue.items)
        if catalogue.name not in (BY_HAND, catalogue.location):  # where it lies, unless its name says so already
            st.code(clean(catalogue.location), language=None, wrap_lines=True)


def _name(catalogue: "CatalogueInfo") -> str:
    """What the catalogue is called."""
    if catalogue.is_demo:
        return "Demo pictures, drawn by this program"
    return catalogue_called(catalogue.name)


def _standing(catalogue: "CatalogueInfo") -> str:
    parts = [wording.count(catalogue.items, "picture")]
    if catalogue.failures:
        parts.append(f"{catalogue.failures:,} failed")
    if not catalogue.complete:
        parts.append("not finished")
    return " · ".join(parts)


def _add(app: "LiveApp") -> None:
    with st.form("add-catalogue", border=True, enter_to_submit=True):
        st.markdown("**Search a collection of your own**")
        st.caption(
            "A folder of pictures, or a CSV with the columns title and imgUrl, or image and caption. "
            "A ZIP, a Parquet file and tar shards are read, too."
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            location = st.text_input(
                "Folder or CSV", placeholder="/home/you/Pictures", key="catalogue-location", label_visibility="collapsed"
            )
            asked = st.form_submit_button("Index it", type="primary", disabled=job_strip.is_running(app))
    if asked:
        if location and location.strip():
            begin(app.start_indexing, location.strip())
        else:
            notice.show("No folder or CSV was named. Type where it lies on this computer.")
