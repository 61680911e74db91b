"""Counting an ingest: what is told while it runs, and at its end."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from crossmodal.progress import OnProgress, Progress
from crossmodal.text.cleaning import counted, were

# The speed is that of the last moments: a resumed run skips thousands of rows a second before it meets the first new picture.
_WINDOW = 20
_PAUSE_S = 0.25


@dataclass(frozen=True, slots=True)
class IngestReport:
    """How every row of a catalogue ended.

    Attributes:
        indexed: pictures brought into the collection, or brought up to date; not those renamed.
        unchanged: rows whose picture was there already, or that a person removed from the collection.
        failed: rows recorded as failures.
        duplicates: rows that repeated an earlier row.
        renamed: items whose picture now has another key, such as a file with a new name.
        removed: items taken out because the catalogue no longer has their row.
        unread: items whose row was not seen, and that stay because it may lie in a part that could not be read.
        seconds: from the first row to the last commit.
    """

    indexed: int
    unchanged: int
    failed: int
    duplicates: int
    renamed: int
    removed: int
    unread: int
    seconds: float


class Tally:
    """Counts rows and tells the progress of it, at most four times a second.

    Args:
        total: rows expected.
        clock: seconds, rising.
    """

    def __init__(self, total: int, on_progress: OnProgress, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.total = total
        self.indexed = 0
        self.unchanged = 0
        self.failed = 0
        self._on_progress = on_progress
        self._clock = clock
        self._began = clock()
        self._told: deque[tuple[float, int]] = deque([(self._began, 0)], maxlen=_WINDOW)

    @property
    def done(self) -> int:
        """Rows that have ended, one way or another."""
        return self.indexed + self.unchanged + self.failed

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return self._clock() - self._began

    def tell(self, *, now: bool = False) -> None:
        """Report the progress, unless it was just reported; `now` reports in any case."""
        at = self._clock()
        if not now and at - self._told[-1][0] < _PAUSE_S:
            return
        self._told.append((at, self.done))
        rate = self._rate()
        left = max(self.total - self.done, 0)
        self._on_progress(
            Progress(
                step="index",
                message="Looking at pictures.",
                done=self.done,
                total=self.total,
                failed=self.failed,
                rate_per_s=rate,
                seconds_left=left / rate if rate else None,
                figures={"indexed": self.indexed, "unchanged": self.unchanged},
            )
        )

    def finish(self, *, duplicates: int, renamed: int, removed: int, unread: int) -> IngestReport:
        """Tell that it is over, and sum it up."""
        indexed = max(0, self.indexed - renamed)  # a run that was killed may have indexed them
        report = IngestReport(indexed, self.unchanged, self.failed, duplicates, renamed, removed, unread, self.seconds)
        self._on_progress(
            Progress(
                step="index",
                message=f"{indexed:,} pictures indexed, {self.unchanged:,} unchanged, {self.failed:,} failed.",
                done=self.done,
                total=self.done,
                failed=self.failed,
                finished=True,
                rate_per_s=self.done / report.seconds if report.seconds else 0.0,
                seconds_left=0.0,
                figures={
                    "indexed": indexed,
                    "unchanged": self.unchanged,
                    "duplicates": duplicates,
                    "renamed": renamed,
                    "removed": removed,
                },
            )
        )
        return report

    def _rate(self) -> float:
        (first_at, first_done), (last_at, last_done) = self._told[0], self._told[-1]
        return (last_done - first_done) / (last_at - first_at) if last_at > first_at else 0.0


@dataclass(frozen=True, slots=True)
class IngestSummary:
    """How the rows of one catalogue ended.

    Attributes:
        report: in numbers.
        demo: pictures of the demo that made room for a person's own.
    """

    report: IngestReport
    demo: int = 0

    @property
    def nothing_came(self) -> bool:
        """Whether there were rows and not one of them could be read."""
        return bool(self.report.failed) and not self.report.indexed + self.report.unchanged + self.report.renamed

    @property
    def sentence(self) -> str:
        """For a person; what happened only sometimes is said only then."""
        told = self.report
        parts = [
            f"{counted(told.indexed, 'picture')} indexed, {told.unchanged:,} {were(told.unchanged)} there already, "
            f"{told.failed:,} failed."
        ]
        if told.renamed:
            its = "its name" if told.renamed == 1 else "their names"
            parts.append(f"{counted(told.renamed, 'picture')} only changed {its}.")
        if told.removed:
            parts.append(f"{counted(told.removed, 'picture')} left the collection: the catalogue has no such row or file any more.")
        if told.unread:
            parts.append(f"{counted(told.unread, 'picture')} stay, though not seen: a part of the catalogue could not be read.")
        if self.demo:
            parts.append(f"The demo's {counted(self.demo, 'picture')} made room for yours.")
        return " ".join(parts)
