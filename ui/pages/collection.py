"""The page Collection: pictures, catalogues, and failed rows."""

import streamlit as st

from ui.components import grid, item_dialog, sources, training
from ui.startup import the_app

PARTS = {"Pictures": ":material/photo_library:", "Catalogues": ":material/folder_open:", "Failed rows": ":material/error_outline:"}

app = the_app()
st.title("Collection")
part = st.segmented_control(
    "Part of the collection",
    list(PARTS),
    default="Pictures",
    required=True,
    key="part",
    format_func=lambda name: f"{PARTS[name]} {name}",
    label_visibility="collapsed",
    persist_state="session",
)
if part == "Pictures":
    grid.undo_bar(app)
    sources.show_items(app)
elif part == "Catalogues":
    training.offer(app)
    sources.show(app)
else:
    sources.failed_rows(app)
item_dialog.show(app)
