"""Progress of long work: one value type and one callback type; stopping it."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from crossmodal.errors import CrossmodalError

DOWNLOAD = "download"
"""The step whose `done` and `total` are bytes."""


@dataclass(frozen=True, slots=True)
class Progress:
    """State of one step.

    Attributes:
        step: `catalogue`, `model` or `index`, or the name of a job.
        done, total: units of work; `total` is 0 while unknown.
        failed: how many of `done` failed.
        message: one short sentence for the user.
        finished: the step is complete.
        rate_per_s: units per second, 0.0 while unknown.
        seconds_left: estimate, None while unknown.
        figures: named numbers of the step, such as an epoch's loss and recall.
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
    """An `OnProgress` that does nothing."""


_KEPT = "Completed work is kept; start it again to continue."


class Stopped(CrossmodalError):
    """The user stopped the work. Completed work is kept, unless `remedy` says otherwise."""

    def __init__(self, what: str, *, remedy: str = _KEPT) -> None:
        super().__init__("stopped", f"{what} was stopped.", remedy=remedy)


def check_stop(stop: threading.Event | None, what: str, *, remedy: str = _KEPT) -> None:
    """Raise `Stopped` if `stop` is set; `what` is the subject of its message."""
    if stop is not None and stop.is_set():
        raise Stopped(what, remedy=remedy)
