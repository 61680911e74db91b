"""Words for a picture: the captions of the collection that fit it best, each one click from a search by these words."""

from typing import TYPE_CHECKING

import streamlit as st

from crossmodal.errors import CrossmodalError
from crossmodal.items import CaptionResult
from ui import notice, state, steps, wording
from ui.literal import literal, shorten
from ui.question import Query
from ui.titles import title_of

if TYPE_CHECKING:
    from upkeep.live_app import LiveApp

_SHOWN = 10
_LONGEST, _LIKELY_CUT = 140, 60


def show(app: "LiveApp", asked: Query) -> None:
    """Captions that fit the picture asked with, best first; nothing for a question in words, or where nothing has a caption."""
    if asked.picture is not None:
        found = state.attempt(app.captions_for_picture, asked.picture, _SHOWN)
    elif asked.item_id:
        found = state.attempt(app.captions_for_item, asked.item_id, _SHOWN, exclude_own=True)
    else:
        return
    if isinstance(found, CrossmodalError):
        notice.show(found)
    elif found:
        st.subheader("Captions that fit")
        st.caption("Titles and captions of this collection, the best first. Choose one to search by its words.")
        with st.grid("auto", min_column_width=300, gap=("xsmall", "medium"), key="captions") as grid:
            for caption in found:
                with grid.cell():
                    _row(app, caption)


def _row(app: "LiveApp", caption: CaptionResult) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"caption-row-{caption.rank}"):
        picture = state.attempt(app.thumbnail, caption.item.item_id)
        if isinstance(picture, bytes):
            st.image(picture, width=48, alt=shorten(title_of(caption.item), 300))
        st.caption(wording.score(caption.score), width="content")
        st.button(
            literal(shorten(caption.caption, _LONGEST)),
            key=f"caption-{caption.rank}",
            type="tertiary",
            width="stretch",
            help=literal(shorten(caption.caption, 600)) if len(caption.caption) > _LIKELY_CUT else None,
            on_click=steps.ask_words,
            args=(caption.caption,),
        )
