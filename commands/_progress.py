"""Progress of long work: a bar with rate and time left on a terminal, otherwise one line per finished step."""

import sys
from collections.abc import Collection
from types import TracebackType
from typing import TYPE_CHECKING, Self

from commands import _console
from crossmodal.hub.published import megabytes
from crossmodal.progress import DOWNLOAD, Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

_LONG = ("model",)
_MEGABYTE = 10**6


class ProgressBar:
    """An `OnProgress` that prints to standard error. Use as a context manager.

    A step that is already finished at its first report is not printed. Without a terminal a line is printed at the end of each step, and
    also at the start of training a model, which takes an unexpected minute or more.

    Args:
        quiet: print nothing.
        answered: steps whose end is part of the command's result and is not printed here.
    """

    def __init__(self, *, quiet: bool = False, answered: Collection[str] = ()) -> None:
        self._quiet = quiet
        self._answered = answered
        self._announced = ""
        self._bars: Bars | None = None
        self._task: TaskID | None = None
        self._begun: set[str] = set()

    def __call__(self, progress: Progress) -> None:
        if self._quiet or (progress.finished and progress.step not in self._begun):
            return
        self._begun.add(progress.step)
        if progress.finished:
            self._begun.discard(progress.step)
        if self._bars is None:
            self._say(progress)
            return
        if self._task is None:
            self._bars.start()
            self._task = self._bars.add_task("", total=None, figures="")
        unit = _MEGABYTE if progress.step == DOWNLOAD else 1
        total = progress.total // unit or None
        self._bars.update(
            self._task,
            description=_console.cell(progress.message),
            completed=progress.done // unit,
            total=total,
            figures=_figures(progress),
        )
        if progress.finished:
            if progress.step not in self._answered:
                self._bars.console.print(_console.cell(progress.message), markup=False, highlight=False)
            self._bars.remove_task(self._task)
            self._task = None
            self._bars.stop()  # so that output between two steps is not overwritten

    def _say(self, progress: Progress) -> None:
        """Print a line instead of a bar."""
        begins = progress.step in _LONG and not progress.total and progress.message != self._announced
        if begins:
            self._announced = progress.message
        if begins or (progress.finished and progress.step not in self._answered):
            _console.note(_console.cell(progress.message))

    def __enter__(self) -> Self:
        if not self._quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
            from rich.progress import Progress as Bars

            self._bars = Bars(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=30),
                MofNCompleteColumn(),
                TextColumn("{task.fields[figures]}", markup=False),
                console=Console(stderr=True),
                transient=True,
            )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bars is not None:
            self._bars.stop()


def _figures(progress: Progress) -> str:
    """Rate, time left and failures, as far as known."""
    parts = []
    if progress.rate_per_s and progress.step == DOWNLOAD:
        parts.append(f"{megabytes(progress.rate_per_s)}/s")
    elif progress.rate_per_s:
        parts.append(f"{progress.rate_per_s:,.0f}/s")
    if progress.seconds_left is not None:
        parts.append(f"{duration(progress.seconds_left)} left")
    if progress.failed:
        parts.append(f"{progress.failed:,} failed")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Format a duration: "8 s", "3 min 20 s", "2 h 5 min"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
