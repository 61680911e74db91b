"""Questions asked before something that takes long or takes away."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from crossmodal.errors import CrossmodalError
from ui import formatting, session
from ui.formatting import literal, shorten


@contextmanager
def shown() -> Iterator[None]:
    """Within this block, one of our errors ends the block and is shown instead of what was to come."""
    try:
        yield
    except CrossmodalError as error:
        show(error)


def show(error: CrossmodalError | str, *, title: str | None = None) -> None:
    """An error, literally."""
    st.error(literal(error.sentence if isinstance(error, CrossmodalError) else error), icon=":material/error:", title=title)


if TYPE_CHECKING:
    from engine.live import LiveApp


@st.dialog("Rebuild and retrain", icon=":material/restart_alt:")
def rebuild(app: "LiveApp") -> None:
    """Ask before the index is rebuilt and the model trained again."""
    estimate = app.training_estimate()
    st.markdown(
        "Every catalogue is read again, and the model learns again from "
        f"{formatting.count(estimate.pictures, 'picture')}. This takes about {formatting.duration(estimate.seconds)} or more."
    )
    st.markdown(
        "Searching goes on meanwhile. The new model takes over only when it finds more than the present one. No picture is lost."
    )
    _answer(app.start_rebuild, "Rebuild and retrain", key="rebuild")


@st.dialog("Change the model", icon=":material/swap_horiz:")
def switch(app: "LiveApp", path: Path, name: str) -> None:
    """Ask before the collection is looked at with another model."""
    st.text(f"“{shorten(name, 80)}” will look at every picture first: {formatting.count(app.count(), 'picture')}.")
    st.markdown(
        "Searching goes on with the present model until then, and changes over in one moment. "
        "It can be paused, and stopped: then it goes on from there when it is started again. The present model is kept."
    )
    _answer(lambda: app.start_switch(path), "Change", key="switch", waiting="Reading the model")


@st.dialog("Delete the other models", icon=":material/delete:")
def drop_models(app: "LiveApp", number: int) -> None:
    """Ask before models that are not in use are deleted."""
    what = "One model that is not in use is" if number == 1 else f"{number:,} models that are not in use are"
    st.markdown(f"{what} deleted from this collection, with what was noted of each picture. No picture is lost.")
    st.markdown("Going back to one then takes its own file, and looking at every picture again.")
    _answer(app.drop_previous_models, "Delete", key="drop-models")


@st.dialog("Remove this catalogue", icon=":material/delete:")
def remove_source(app: "LiveApp", name: str, called: str, items: int) -> None:
    """Ask before a catalogue's items leave the collection; `called` is what the page calls it."""
    st.text(
        f"{formatting.count(items, 'picture')} of “{shorten(called, 80)}” will no longer be found. "
        "The files themselves stay where they are."
    )
    _answer(lambda: app.remove_source(name), "Remove", key="remove-catalogue")


def _answer(work: Callable[[], object], label: str, *, key: str, waiting: str = "One moment") -> None:
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Cancel", key=f"{key}-no"):
            st.rerun()
        if st.button(literal(label), type="primary", key=f"{key}-yes"):
            with st.spinner(waiting):
                came = session.attempt(work)
            if isinstance(came, CrossmodalError):
                show(came)
            else:
                st.rerun()
