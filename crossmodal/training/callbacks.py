"""Callbacks of a training: TensorBoard events and progress reports."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from crossmodal.progress import OnProgress, Progress
from crossmodal.training.plan import EpochFigures

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter


class Events:
    """Writes the history as TensorBoard scalars. On resume, TensorBoard hides what a killed run wrote after `done` epochs.

    Args:
        path: the folder of the events; None writes nothing.
        done: epochs that are already in the history.
    """

    def __init__(self, path: Path | None, *, done: int = 0) -> None:
        self._writer = _writer(path, done + 1) if path is not None else None

    def line(self, line: Mapping[str, float]) -> None:
        """Write all values of a history line."""
        if self._writer is not None:
            for name, value in line.items():
                if name != "epoch":
                    self._writer.add_scalar(name, value, int(line["epoch"]))
            self._writer.flush()

    def __enter__(self) -> "Events":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._writer is not None:
            self._writer.close()


def _writer(path: Path, first: int) -> "SummaryWriter":
    from tensorboardX import SummaryWriter  # imported late: it takes a second

    return SummaryWriter(str(path), purge_step=first, flush_secs=30)


class ProgressReporter:
    """Reports steps and epochs of `train` as progress.

    The rate is measured from the start or the resumption, validation included, so that the remaining time is not underestimated.

    Args:
        max_epochs: maximum number of epochs.
        clock: monotonic time in seconds.
    """

    def __init__(self, on_progress: OnProgress, max_epochs: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._on_progress, self._max_epochs, self._clock = on_progress, max_epochs, clock
        self._first: tuple[int, float] | None = None
        self._started = clock()
        self._rate = 0.0
        self._seconds_left: float | None = None

    def step(self, done: int, total: int) -> None:
        """Report a batch; `done` and `total` count those of all epochs."""
        now = self._clock()
        if self._first is None:
            self._first = (done - 1, self._started)
        before, since = self._first
        self._rate = (done - before) / (now - since) if now > since else 0.0
        self._seconds_left = (total - done) / self._rate if self._rate else None
        epoch = min(self._max_epochs, (done - 1) * self._max_epochs // total + 1)
        self._report(f"Training, epoch {epoch} of {self._max_epochs}", done, total, {})

    def epoch(self, figures: EpochFigures) -> None:
        """Report an epoch with its results."""
        found = {"epoch": figures.epoch, "loss": figures.loss, "score": figures.score, "recall_at_1": figures.recall_at_1}
        message = f"Epoch {figures.epoch} of {self._max_epochs}: loss {figures.loss:.3f}, validation {figures.score:.3f}"
        self._report(message, figures.epoch, self._max_epochs, found)

    def _report(self, message: str, done: int, total: int, figures: dict[str, float]) -> None:
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
