"""Confirmation dialogs and error display."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from crossmodal.errors import CrossmodalError
from crossmodal.hub.published import megabytes
from ui import formatting, session
from ui.formatting import literal, shorten


@contextmanager
def shown() -> Iterator[None]:
    """A `CrossmodalError` ends the block and is displayed."""
    try:
        yield
    except CrossmodalError as error:
        show(error)


def show(error: CrossmodalError | str, *, title: str | None = None) -> None:
    """Display an error, with Markdown escaped."""
    st.error(literal(error.sentence if isinstance(error, CrossmodalError) else error), icon=":material/error:", title=title)


if TYPE_CHECKING:
    from engine.live import LiveApp
    from engine.models.published import PublishedState


@st.dialog("Rebuild and retrain", icon=":material/restart_alt:")
def rebuild(app: "LiveApp") -> None:
    """Confirm rebuilding the index and retraining the model."""
    estimate = app.training_estimate()
    st.markdown(
        "Every catalogue is read again, and the model learns again from "
        f"{formatting.count(estimate.pictures, 'picture')}. This takes about {formatting.duration(estimate.seconds)} or more."
    )
    st.markdown(
        "Search keeps working meanwhile. The new model takes over only if it finds more than the current one. No picture is lost."
    )
    _answer(app.start_rebuild, "Rebuild and retrain", key="rebuild")


@st.dialog("Change the model", icon=":material/swap_horiz:")
def switch(app: "LiveApp", path: Path, name: str) -> None:
    """Confirm switching to another model."""
    st.text(f"“{shorten(name, 80)}” will encode every picture first: {formatting.count(app.count(), 'picture')}.")
    st.markdown(
        "Until then, search keeps using the current model; the switch itself is instant. "
        "It can be paused or stopped, and resumes when it is started again. The current model is kept."
    )
    _answer(lambda: app.start_switch(path), "Change", key="switch", waiting="Reading the model")


@st.dialog("Use a published model", icon=":material/download:")
def download(app: "LiveApp", state: "PublishedState") -> None:
    """Confirm downloading and using a published model, with its licence."""
    model = state.model
    st.markdown(f"**{literal(model.repository)}**, licence **{literal(model.licence)}**: [its page and licence]({model.page})")
    left = max(0, model.size_bytes - state.arrived_bytes)
    if not state.here:
        st.markdown(f"{megabytes(left)} are fetched from huggingface.co. This can be paused and stopped; it goes on where it was.")
    st.markdown(
        f"Then it encodes {formatting.count(app.count(), 'picture')}, and the switch is instant. Search keeps working with the "
        "current model until then, which is kept."
    )
    _answer(lambda: app.start_download(model.repository), "Use it" if state.here else "Download and use", key="download")


@st.dialog("Delete the other models", icon=":material/delete:")
def drop_models(app: "LiveApp", number: int) -> None:
    """Confirm deleting the inactive models."""
    what = "One model that is not in use is" if number == 1 else f"{number:,} models that are not in use are"
    st.markdown(f"{what} deleted from this collection, with their embeddings. No picture is lost.")
    st.markdown("Going back to one then requires its file, and encoding every picture again.")
    _answer(app.drop_previous_models, "Delete", key="drop-models")


@st.dialog("Remove this catalogue", icon=":material/delete:")
def remove_source(app: "LiveApp", name: str, called: str, items: int) -> None:
    """Confirm removing a catalogue; `called` is its display name."""
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
