"""How far a training is, how fast it goes and how long it will take: steps and epochs as `Progress`."""

import time
from collections.abc import Callable

from crossmodal.progress import OnProgress, Progress
from crossmodal.training.plan import EpochFigures


class Pace:
    """Turns the callbacks of `train` into progress.

    The rate is that of the steps since the start (or since a run was taken up again), validation included, so that the time left is not
    too small.

    Args:
        max_epochs: epochs at most.
        clock: seconds, rising.
    """

    def __init__(self, on_progress: OnProgress, max_epochs: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._on_progress, self._max_epochs, self._clock = on_progress, max_epochs, clock
        self._first: tuple[int, float] | None = None
        self._started = clock()
        self._rate = 0.0
        self._seconds_left: float | None = None

    def step(self, done: int, total: int) -> None:
        """A batch is over; `done` and `total` count all epochs."""
        now = self._clock()
        if self._first is None:
            self._first = (done - 1, self._started)
        before, since = self._first
        self._rate = (done - before) / (now - since) if now > since else 0.0
        self._seconds_left = (total - done) / self._rate if self._rate else None
        epoch = min(self._max_epochs, (done - 1) * self._max_epochs // total + 1)
        self._tell(f"Training, epoch {epoch} of {self._max_epochs}", done, total, {})

    def epoch(self, figures: EpochFigures) -> None:
        """An epoch is over."""
        found = {"epoch": figures.epoch, "loss": figures.loss, "score": figures.score, "recall_at_1": figures.recall_at_1}
        message = f"Epoch {figures.epoch} of {self._max_epochs}: loss {figures.loss:.3f}, validation {figures.score:.3f}"
        self._tell(message, figures.epoch, self._max_epochs, found)

    def _tell(self, message: str, done: int, total: int, figures: dict[str, float]) -> None:
        rate = 0.0 if figures else self._rate
        self._on_progress(
            Progress(
                "train",
                message,
                done=done,
                total=total,
                finished=bool(figures),
                rate_per_s=rate,
                seconds_left=self._seconds_left,
                figures=figures,
            )
        )
