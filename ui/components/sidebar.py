"""The sidebar: adding pictures, display options, and system information."""

from typing import TYPE_CHECKING

import streamlit as st

from ui import formatting
from ui.components import dialogs, job_bar, upload
from ui.components.grid import AUTOMATIC
from ui.formatting import literal

if TYPE_CHECKING:
    from engine.live import LiveApp

_COLUMNS = (AUTOMATIC, 1, 2, 3, 4, 5)


def show(app: "LiveApp") -> None:
    """Draw the sidebar."""
    with st.sidebar:
        upload.show(app)
        st.subheader("Results")
        st.slider("How many", 1, 20, 10, key="top_k", persist_state="session")
        st.select_slider("Columns", _COLUMNS, key="columns", persist_state="session", format_func=str)
        _system(app)


def wanted_results() -> int:
    """The chosen number of results, 1 to 20."""
    return int(st.session_state.get("top_k", 10))


def wanted_columns() -> int | None:
    """The chosen number of columns; None for as many as fit."""
    chosen = st.session_state.get("columns", AUTOMATIC)
    return chosen if isinstance(chosen, int) else None


def _system(app: "LiveApp") -> None:
    info = app.info()
    st.subheader("System")
    lines = [f"{formatting.count(info.items, 'picture')}, ready to search"]
    if info.failures:
        lines.append(f"{formatting.count(info.failures, 'row')} failed: see Collection")
    lines.append(f"{info.model.name}, {info.model.weights}")
    if info.model.held_out is not None:
        figures = info.model.held_out
        lines.append(
            f"Finds {formatting.of_a_hundred(figures.recall_at_1)} of 100 unseen pictures at the first try; "
            f"guessing finds {formatting.of_a_hundred(figures.chance_at_1)}"
        )
    lines += [info.device, f"Data in {formatting.place(info.data_dir)}"]
    with st.container(key="system", gap="xsmall"):
        for line in lines:
            st.caption(literal(line))
    if st.button(
        "Rebuild and retrain", icon=":material/restart_alt:", key="rebuild", width="stretch", disabled=job_bar.is_running(app)
    ):
        dialogs.rebuild(app)
