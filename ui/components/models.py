"""Components of the page Model: stored models, switching, quality figures, presets."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from crossmodal.errors import CrossmodalError
from crossmodal.installation import COMMAND
from ui import formatting, session
from ui.components import dialogs, job_bar, sources
from ui.components.sources import listens_on_loopback
from ui.formatting import clean, literal, shorten

if TYPE_CHECKING:
    from crossmodal.evaluation.result import DirectionFigures, Figure
    from engine.info import ModelGeneration, ModelInfo, SystemInfo
    from engine.live import LiveApp
    from engine.self_evaluation import CollectionMetrics

_IN_A_RUN = "model.pth"


def show(app: "LiveApp") -> None:
    """List the stored models, the active one first, with their actions."""
    models = session.attempt(app.models)
    if isinstance(models, CrossmodalError):
        dialogs.show(models)
        return
    total = app.count()
    with st.container():
        for number, model in enumerate(models):
            _row(app, model, number, total)
        others = sum(not model.active for model in models)
        if others:
            label = "Delete the other model" if others == 1 else f"Delete the {others:,} other models"
            if st.button(label, key="drop", type="tertiary", icon=":material/delete:", disabled=job_bar.is_running(app)):
                dialogs.drop_models(app, others)
    if listens_on_loopback():
        _from_elsewhere(app)
    else:
        st.caption("A model trained elsewhere can be chosen while the app is open to this computer only.")


def _row(app: "LiveApp", model: "ModelGeneration", number: int, total: int) -> None:
    with (
        st.container(border=True, key=f"model-{number}"),
        st.container(horizontal=True, vertical_alignment="center"),
    ):
        with st.container(gap="xxsmall"):
            st.text(shorten(model.name, 80))
            st.caption(literal(_standing(model, total)))
        if model.active:
            st.badge("In use", icon=":material/check:", color="green")
        elif model.path is not None and st.button(
            "Use this model", key=f"use-{number}", icon=":material/swap_horiz:", disabled=job_bar.is_running(app)
        ):
            dialogs.switch(app, model.path, model.name)


def _standing(model: "ModelGeneration", total: int) -> str:
    if model.items_embedded >= total:
        looked = "Every picture encoded" if total else "No picture to encode"
    else:
        looked = f"{model.items_embedded:,} of {formatting.count(total, 'picture')} encoded"
    parts = [looked, model.model_id[:12]] if model.name != model.model_id[:12] else [looked]
    if model.path is None:
        parts.append("its file is missing")
    return " · ".join(parts)


def _from_elsewhere(app: "LiveApp") -> None:
    with st.form("choose-model", border=True, enter_to_submit=True):
        st.markdown("**Use a model trained elsewhere**")
        st.caption("A model file, or the run folder that a training on the command line wrote.")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            typed = st.text_input(
                "Model file or run folder", placeholder="runs/mobilenet-minilm", key="model-location", label_visibility="collapsed"
            )
            asked = st.form_submit_button("Use it", disabled=job_bar.is_running(app))
    location = clean(typed or "")
    if asked and not location:
        dialogs.show("No model was given. Enter the path of its file or run folder on this computer.")
    elif asked:
        path = Path(location).expanduser()
        path = path / _IN_A_RUN if path.is_dir() else path
        if path.is_file():
            dialogs.switch(app, path, location)
        else:
            dialogs.show(
                f"There is no model at {shorten(str(path), 200)}. Give a model file, or a run folder that contains {_IN_A_RUN}."
            )


def quality(model: "ModelInfo") -> None:
    """Show how often searches succeed, beside chance."""
    figures = model.held_out
    if figures is None:
        why = "no picture with a title was held out from its training" if model.trained_on else "it was trained by its publisher"
        st.markdown(f"Its quality has not been measured here: {why}.")
        return
    st.markdown(
        f"A test on pictures the model has not seen: **{figures.queries:,}** titles of pictures held out from training were "
        f"searched for among {figures.gallery:,} such pictures. This is how often the right one was found, beside guessing."
    )
    shown = (
        (1, figures.recall_at_1, figures.chance_at_1),
        (5, figures.recall_at_5, figures.chance_at_5),
        (10, figures.recall_at_10, figures.chance_at_10),
    )
    with st.grid(3, min_column_width=190):
        for k, found, chance in shown:
            with st.container(border=True, gap="xsmall"):
                st.metric("First result" if k == 1 else f"Among the first {k}", f"{formatting.of_a_hundred(found)} of 100")
                st.progress(min(1.0, found), text="This model")
                st.progress(min(1.0, chance), text=f"Guessing: {formatting.of_a_hundred(chance)} of 100")
    where = "comes first" if figures.median_rank <= 1 else f"is at rank {figures.median_rank:g} or better"
    st.caption(f"In half of the searches or more the right picture {where} (median rank {figures.median_rank:g}).")


def facts(info: "SystemInfo") -> None:
    """Show the model's details as a table."""
    model = info.model
    rows = {
        "Kind": f"{model.name}, embeddings of {model.embed_dim} numbers",
        "Started from": f"{model.weights}. {model.weights_note}".strip(),
        "Learned from": formatting.count(model.trained_on, "picture") if model.trained_on else "pictures of its publisher",
        "Trained": f"{formatting.date(model.trained_at)}, in {formatting.duration(model.training_seconds)}"
        if model.trained_at
        else "elsewhere",
        "Pictures are encoded": model.precision,
        "Runs on": info.device,
        "Identity": model.model_id[:16],
        "Data folder": formatting.place(info.data_dir),
    }
    st.table({name: literal(clean(value)) for name, value in rows.items()}, border="horizontal")


def show_metrics(app: "LiveApp") -> None:
    """Show the last evaluation of the active model on the collection, and a button to run it."""
    figures = app.collection_metrics()
    if figures is None:
        st.markdown(
            "Not measured yet. Every title is searched for among the pictures, and every picture among the titles. "
            "It takes about a minute, in the background."
        )
    else:
        _found(figures)
    label = "Measure on this collection" if figures is None else "Measure again"
    if st.button(label, key="measure", icon=":material/straighten:", disabled=job_bar.is_running(app)):
        sources.begin(app.start_measuring)


def _found(figures: "CollectionMetrics") -> None:
    for warning in figures.result.warnings:
        st.warning(literal(warning), icon=":material/warning:")
    st.markdown(_sentence(figures))
    to_picture, to_words = st.columns(2, gap="medium")
    with to_picture:
        _direction("Words to picture", figures.result.text_to_image, "titles", "pictures")
    with to_words:
        _direction("Picture to words", figures.result.image_to_text, "pictures", "titles")
    st.caption(
        "The model may have been trained on these titles, so it may do worse on new pictures; the test at the top of this page uses only "
        "pictures it has not seen. Compare each figure with guessing: the more pictures there are to choose from, the harder it is to "
        "find the right one."
    )


def _sentence(figures: "CollectionMetrics") -> str:
    looked = formatting.count(figures.items, "picture")
    of = (
        f"{looked} with titles"
        if figures.items == figures.collection
        else f"{looked} with titles, of {figures.collection:,} in all"
    )
    parts = [
        f"Measured on {formatting.date(figures.measured_at)}, on {of}. Where several pictures have one title, any of them is right."
    ]
    if figures.picture_only:
        parts.append("Pictures were searched without their titles, which would have given the answer away.")
    return " ".join(parts)


def _direction(name: str, figures: "DirectionFigures", asked: str, among: str) -> None:
    st.markdown(f"**{name}**")
    rows = [("First, of 100" if k == 1 else f"In the first {k}, of 100", *_shares(figure)) for k, figure in figures.recall.items()]
    rows.append(("Median rank", *_places(figures.median_rank)))
    rows.append(("Mean reciprocal rank", *_decimals(figures.mean_reciprocal_rank)))
    table = pd.DataFrame(rows, columns=["Right one found", "This model", "95 % interval", "Guessing"])
    st.table(table, hide_index=True, border="horizontal", alt=f"{name}: figures with intervals, beside guessing")
    st.caption(f"{figures.queries:,} {asked} as queries, {figures.gallery:,} {among} searched")


def _shares(figure: "Figure") -> tuple[str, str, str]:
    return _cells(figure, lambda share: f"{100 * share:.1f}" if share == 0 or share >= 0.0005 else f"{100 * share:.1g}")


def _places(figure: "Figure") -> tuple[str, str, str]:
    return _cells(figure, lambda place: f"{place:,.1f}".removesuffix(".0"))


def _decimals(figure: "Figure") -> tuple[str, str, str]:
    return _cells(figure, lambda number: f"{number:.2f}" if number >= 0.01 else f"{number:.1g}")


def _cells(figure: "Figure", text_of: Callable[[float], str]) -> tuple[str, str, str]:
    def shown(number: float) -> str:
        return text_of(number) if math.isfinite(number) else "–"

    return shown(figure.value), f"{shown(figure.low)} – {shown(figure.high)}", shown(figure.chance)


_DATA = "YOUR.csv"


def show_presets() -> None:
    """List the presets in an expander; loaded when opened, because the list imports the networks."""
    box = st.expander("Models you can train", key="presets", icon=":material/school:", on_change="rerun")
    if not box.open:
        return
    from training.presets import PRESETS

    with box:
        st.markdown(
            "On the command line, in the folder of this program; `--data` takes a CSV, a folder or another catalogue with captions. "
            "Afterwards enter its run folder above."
        )
        for preset in PRESETS.values():
            with st.container(gap="xsmall", key=f"preset-{preset.name}"):
                st.markdown(f"**{literal(preset.name)}**")
                st.caption(literal(preset.description))
                st.code(clean(f"{COMMAND} train --preset {preset.name} --data {_DATA}"), language=None, wrap_lines=True)
