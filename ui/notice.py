"""Errors as a person reads them: one sentence, what happened and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from crossmodal.errors import CrossmodalError
from ui.literal import literal


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
