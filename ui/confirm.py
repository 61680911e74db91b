"""Questions asked before something that takes long or takes away."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st

from crossmodal.errors import CrossmodalError
from ui import notice, state, wording
from ui.literal import literal

if TYPE_CHECKING:
    from live_app import LiveApp


@st.dialog("Rebuild and retrain", icon=":material/restart_alt:")
def rebuild(app: "LiveApp") -> None:
    """Ask before the index is rebuilt and the model trained again."""
    estimate = app.training_estimate()
    st.markdown(
        "Every catalogue is read again, and the model learns again from "
        f"{wording.count(estimate.pictures, 'picture')}. This takes about {wording.duration(estimate.seconds)} or more."
    )
    st.markdown(
        "Searching goes on meanwhile. The new model takes over only when it finds more than the present one. No picture is lost."
    )
    _answer(app.start_rebuild, "Rebuild and retrain", key="rebuild")


@st.dialog("Remove this catalogue", icon=":material/delete:")
def remove_catalogue(app: "LiveApp", name: str, items: int) -> None:
    """Ask before a catalogue's items leave the collection."""
    st.text(f"{wording.count(items, 'picture')} of “{name}” will no longer be found. The files themselves stay where they are.")
    _answer(lambda: app.remove_catalogue(name), "Remove", key="remove-catalogue")


def _answer(work: Callable[[], object], label: str, *, key: str) -> None:
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Cancel", key=f"{key}-no"):
            st.rerun()
        if st.button(literal(label), type="primary", key=f"{key}-yes"):
            came = state.attempt(work)
            if isinstance(came, CrossmodalError):
                notice.show(came)
            else:
                st.rerun()
