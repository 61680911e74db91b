"""How long work tells whoever waits for it: one value, one callback type."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from crossmodal.errors import CrossmodalError


@dataclass(frozen=True, slots=True)
class Progress:
    """A moment of a step.

    Attributes:
        step: `catalogue`, `model` or `index`, or the name of a job.
        done, total: units of work; total 0 means not known yet.
        failed: how many of `done` ended as failures.
        message: one short sentence for a person.
        finished: the step is over.
        rate_per_s: units a second, 0.0 while unknown.
        seconds_left: estimate, None while unknown.
        figures: named numbers of the step (an epoch's loss and recall, ...).
    """

    step: str
    message: str
    done: int = 0
    total: int = 0
    failed: int = 0
    finished: bool = False
    rate_per_s: float = 0.0
    seconds_left: float | None = None
    figures: Mapping[str, float] = field(default_factory=dict)


OnProgress = Callable[[Progress], None]


def ignore_progress(progress: Progress) -> None:
    """An `OnProgress` for those who do not wait."""


_KEPT = "What was done so far is kept; start it again to go on."


class Stopped(CrossmodalError):
    """The person asked the work to stop. What was done so far is kept, unless `remedy` says otherwise."""

    def __init__(self, what: str, *, remedy: str = _KEPT) -> None:
        super().__init__("stopped", f"{what} was stopped.", remedy=remedy)


def check_stop(stop: threading.Event | None, what: str, *, remedy: str = _KEPT) -> None:
    """Raise `Stopped` when somebody asked for it."""
    if stop is not None and stop.is_set():
        raise Stopped(what, remedy=remedy)
