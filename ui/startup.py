"""Starts the system once for all visitors, in a background thread, so that closing or reloading a page never stops training."""

import argparse
import logging
import sys
import threading
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from config import Settings, read_settings
from crossmodal.errors import CrossmodalError
from crossmodal.progress import OnProgress, Progress
from ui import formatting
from ui.formatting import literal

if TYPE_CHECKING:
    from engine.live import LiveApp

log = logging.getLogger(__name__)

STEPS = ("catalogue", "model", "index")


@dataclass(frozen=True)
class Step:
    """State of one step of the start."""

    progress: Progress
    started_at: float
    ended_at: float | None = None

    @property
    def seconds(self) -> float:
        """Duration so far, in seconds."""
        return (self.ended_at or time.monotonic()) - self.started_at


class Starter:
    """The start in progress: its steps, training epochs, and finally the app or a problem."""

    def __init__(self) -> None:
        self.app: LiveApp | None = None
        self.problem: str = ""
        self.steps: dict[str, Step] = {}
        self.epochs: list[Progress] = []
        self.started_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="start", daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> "LiveApp | None":
        """Wait up to `seconds` for the start; returns the app if it is ready."""
        self._thread.join(seconds)
        return self.app

    def note(self, progress: Progress) -> None:
        """Record progress; called by the starting thread."""
        now = time.monotonic()
        before = self.steps.get(progress.step)
        self.steps[progress.step] = Step(progress, before.started_at if before else now, now if progress.finished else None)
        if "validation_recall_at_1" in progress.figures:
            self.epochs.append(progress)

    def _run(self) -> None:
        try:
            self.app = build(self.note)
        except CrossmodalError as error:
            log.warning("start failed: %s %s", error.code, error)
            self.problem = error.sentence
        except Exception as error:  # a thread has no caller: log the traceback, show a sentence
            log.exception("start failed")
            self.problem = f"Something went wrong inside the program ({type(error).__name__}). The log has the details."


def build(note: OnProgress) -> "LiveApp":
    """Assemble the system from the settings. Imports late, because that takes seconds and the page should appear before."""
    from initialize import initialize_system

    return initialize_system(note, settings())


@cache
def settings() -> Settings:
    """The settings of this installation, read once: `streamlit run app.py -- --data-dir FOLDER` chooses the collection's folder."""
    given = argparse.ArgumentParser(allow_abbrev=False, exit_on_error=False, add_help=False)
    given.add_argument("--data-dir", type=Path)
    chosen = given.parse_known_args(sys.argv[1:])[0].data_dir
    return read_settings() if chosen is None else read_settings(data_dir=chosen.expanduser())


@st.cache_resource(show_spinner=False)
def starter() -> Starter:
    """The start of this process (created once)."""
    return Starter()


def running() -> "LiveApp | None":
    """The system, or None while it starts."""
    return starter().app


def the_app() -> "LiveApp":
    """The running system, for pages, which are rendered only once it runs."""
    app = running()
    assert app is not None
    return app


_WAITING = {"catalogue": "Catalogue", "model": "Model", "index": "Index"}
_WHY = {
    "catalogue": "The pictures that can be searched.",
    "model": "It learns to match words with pictures, on this computer, from the pictures and titles of the catalogue.",
    "index": "Every picture is read once, so that a search takes milliseconds.",
}


def show() -> None:
    """Show the progress of the start, then rerun the page."""
    st.title("Getting ready")
    st.markdown(
        "The first start takes about a minute: pictures are collected, and a model is trained on them on this computer. "
        "Later starts take seconds."
    )
    _watch()


@st.fragment(run_every=1.0)
def _watch() -> None:
    start = starter()
    if start.app is not None:
        st.rerun()
    for step in STEPS:
        _step(start, step)
    if start.problem:
        st.error(literal(start.problem), icon=":material/error:", title="The start did not succeed")
        if st.button("Try again", icon=":material/refresh:"):
            starter.clear()
            st.rerun()
        return
    _curve(start.epochs)
    st.caption(f"{formatting.duration(time.monotonic() - start.started_at)} so far")


def _step(start: Starter, name: str) -> None:
    step = start.steps.get(name)
    with st.container(key=f"step-{name}", horizontal=True, vertical_alignment="top"):
        if step is None:
            st.markdown(":gray[:material/radio_button_unchecked:]", width="content")
            st.markdown(f":gray[{_WAITING[name]}]")
        elif step.progress.finished:
            st.markdown(":green[:material/check_circle:]", width="content")
            st.text(step.progress.message, width="stretch")
            st.caption(formatting.duration(step.seconds), width="content")
        else:
            st.markdown(":primary[:material/pending:]", width="content")
            with st.container(gap="xsmall"):
                st.text(step.progress.message)
                st.caption(_WHY[name])
                _bar(step.progress)


def _bar(progress: Progress) -> None:
    if progress.total:
        # Training steps mean nothing to users; counts of pictures do.
        parts = [] if progress.step == "model" else [f"{progress.done:,} of {progress.total:,}"]
        if progress.seconds_left is not None:
            parts.append(formatting.left(progress.seconds_left))
        st.progress(min(1.0, progress.done / progress.total), text=" · ".join(parts))


def _curve(epochs: list[Progress]) -> None:
    if len(epochs) < 2:
        return
    found = [round(100 * epoch.figures["validation_recall_at_1"], 1) for epoch in epochs]
    st.caption(
        f"Of 100 pictures it has not learned from, it now finds {formatting.of_a_hundred(found[-1] / 100)} at the first try."
    )
    rounds = pd.DataFrame({"round": range(1, len(found) + 1), "found of 100": found})
    st.line_chart(
        rounds, x="round", y="found of 100", height=180, alt=f"Pictures found at the first try, per round; now {found[-1]} of 100"
    )
