"""Starts the system once for all visitors, in a thread of its own, so that closing or reloading a page never stops a training run."""

import logging
import threading
import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import streamlit as st

from config import Settings
from crossmodal.errors import CrossmodalError
from crossmodal.progress import OnProgress, Progress

if TYPE_CHECKING:
    from upkeep.live_app import LiveApp

log = logging.getLogger(__name__)

STEPS = ("catalogue", "model", "index")


@dataclass(frozen=True)
class Step:
    """One step of the start as it stands."""

    progress: Progress
    started_at: float
    ended_at: float | None = None

    @property
    def seconds(self) -> float:
        """How long it took, or has taken so far."""
        return (self.ended_at or time.monotonic()) - self.started_at


class Starter:
    """A start under way: steps done and under way, epochs of the training, and in the end the app or what went wrong."""

    def __init__(self) -> None:
        self.app: LiveApp | None = None
        self.problem: str = ""
        self.steps: dict[str, Step] = {}
        self.epochs: list[Progress] = []
        self.started_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="start", daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> "LiveApp | None":
        """Give the start a moment, and answer the app when it is there."""
        self._thread.join(seconds)
        return self.app

    def note(self, progress: Progress) -> None:
        """Take down a moment of the start; called by the thread that works."""
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
        except Exception as error:  # a thread has no caller to raise to: the log gets the traceback, the person a sentence
            log.exception("start failed")
            self.problem = f"Something went wrong inside the program ({type(error).__name__}). The log has the details."


def build(note: OnProgress) -> "LiveApp":
    """The system, assembled as `config` says. Imported here because it takes seconds, and a page should be there before."""
    from initialize import initialize_system

    return initialize_system(note)


@cache
def settings() -> Settings:
    """The settings of this installation, read once."""
    return Settings()


@st.cache_resource(show_spinner=False)
def starter() -> Starter:
    """The one start of this process."""
    return Starter()


def the_app() -> "LiveApp":
    """The running system, for a page: pages are drawn only once it runs."""
    app = starter().app
    assert app is not None
    return app
