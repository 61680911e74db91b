"""Models that can be trained here by name: what each is, and the line that trains it."""

import streamlit as st

from ui.literal import clean, literal

_DATA = "YOUR.csv"


def show() -> None:
    """One block for each, under an expander; read when it is opened, for the list comes with the networks themselves."""
    box = st.expander("Models you can train", key="presets", icon=":material/school:", on_change="rerun")
    if not box.open:
        return
    from experiments.presets import PRESETS

    with box:
        st.markdown(
            "On the command line, in the folder of this program; `--data` names a CSV, a folder or another catalogue with captions. "
            "Afterwards name its run folder above."
        )
        for name in PRESETS.names():
            preset = PRESETS.get(name)
            with st.container(gap="xsmall", key=f"preset-{name}"):
                st.markdown(f"**{literal(preset.name)}**")
                st.caption(literal(preset.says))
                st.code(clean(f"python cli.py train --preset {preset.name} --data {_DATA}"), language=None, wrap_lines=True)
