"""The history for TensorBoard, in the run folder's `events/`."""

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
    """Writes scalars per epoch. On resume, TensorBoard hides what a killed run wrote after `done` epochs.

    Args:
        path: the folder; None writes nothing.
        done: epochs that are in the history already.
    """

    def __init__(self, path: Path | None, *, done: int = 0) -> None:
        self._writer = _writer(path, done + 1) if path is not None else None

    def line(self, line: Mapping[str, float]) -> None:
        """Every number of an epoch's line but the epoch itself."""
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
    from tensorboardX import SummaryWriter  # takes a second to load, which a start of the app need not wait for

    return SummaryWriter(str(path), purge_step=first, flush_secs=30)


class ProgressReporter:
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
