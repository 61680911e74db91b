"""Counts of an ingest: progress while it runs, and a report at its end."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from crossmodal.progress import OnProgress, Progress
from crossmodal.text.cleaning import counted, were

# The rate covers recent seconds only: a resumed run skips thousands of rows per second before its first new picture.
_WINDOW = 20
_PAUSE_S = 0.25


@dataclass(frozen=True, slots=True)
class IngestReport:
    """Outcome counts of one source.

    Attributes:
        indexed: pictures added or updated, without renames and joined ones.
        joined: new rows whose picture an item of another source shows: the row's words were joined to the item's.
        unchanged: rows that were already in the collection, or whose picture was removed by the user.
        failed: rows recorded as failures.
        duplicates: rows that repeat an earlier row.
        renamed: items whose picture now has another key, such as a file with a new name.
        removed: items removed because the source no longer has their row.
        unread: items whose row was not seen, but which stay because the row may be in a part that could not be read.
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
    joined: int = 0


class Tally:
    """Counts rows and reports progress, at most four times per second.

    Args:
        total: expected number of rows.
        clock: monotonic time in seconds.

    Attributes:
        indexed, unchanged, failed: finished rows by outcome.
        refused: those of `indexed` that the collection refused, because a person removed their picture from another source.
    """

    def __init__(self, total: int, on_progress: OnProgress, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.total = total
        self.indexed = 0
        self.unchanged = 0
        self.failed = 0
        self.refused = 0
        self._on_progress = on_progress
        self._clock = clock
        self._began = clock()
        self._samples: deque[tuple[float, int]] = deque([(self._began, 0)], maxlen=_WINDOW)

    @property
    def done(self) -> int:
        """Number of rows finished, with any outcome."""
        return self.indexed + self.unchanged + self.failed

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._began

    def tell(self, *, now: bool = False) -> None:
        """Report progress, unless it was reported just before; `now` forces a report."""
        at = self._clock()
        if not now and at - self._samples[-1][0] < _PAUSE_S:
            return
        self._samples.append((at, self.done))
        rate = self._rate()
        left = max(self.total - self.done, 0)
        self._on_progress(
            Progress(
                step="index",
                message="Reading pictures.",
                done=self.done,
                total=self.total,
                failed=self.failed,
                rate_per_s=rate,
                seconds_left=left / rate if rate else None,
                figures={"indexed": self.indexed, "unchanged": self.unchanged},
            )
        )

    def finish(self, *, duplicates: int, renamed: int, joined: int, moved: int, removed: int, unread: int) -> IngestReport:
        """Report the end and return the totals.

        Args:
            joined: rows that became those of items of other sources.
            moved: items whose other source is gone, among these.
        """
        indexed = max(0, self.indexed - renamed - joined - self.refused)  # a killed run may have indexed them already
        unchanged, joined = self.unchanged + self.refused, max(0, joined - moved)
        report = IngestReport(
            indexed, unchanged, self.failed, duplicates, renamed + moved, removed, unread, self.seconds, joined=joined
        )
        self._on_progress(
            Progress(
                step="index",
                message=f"{indexed:,} pictures indexed, {unchanged:,} unchanged, {self.failed:,} failed.",
                done=self.done,
                total=self.done,
                failed=self.failed,
                finished=True,
                rate_per_s=self.done / report.seconds if report.seconds else 0.0,
                seconds_left=0.0,
                figures={
                    "indexed": indexed,
                    "unchanged": unchanged,
                    "joined": joined,
                    "duplicates": duplicates,
                    "renamed": report.renamed,
                    "removed": removed,
                },
            )
        )
        return report

    def _rate(self) -> float:
        (first_at, first_done), (last_at, last_done) = self._samples[0], self._samples[-1]
        return (last_done - first_done) / (last_at - first_at) if last_at > first_at else 0.0


@dataclass(frozen=True, slots=True)
class IngestSummary:
    """Outcome of indexing one source.

    Attributes:
        report: counts.
        demo: demo pictures that were removed because the user's own were indexed.
    """

    report: IngestReport
    demo: int = 0

    @property
    def nothing_came(self) -> bool:
        """Whether there were rows, but none of them could be read."""
        return bool(self.report.failed) and not any(
            (self.report.indexed, self.report.unchanged, self.report.renamed, self.report.joined)
        )

    @property
    def sentence(self) -> str:
        """Summary for the user; rare outcomes are mentioned only if they occurred."""
        counts = self.report
        parts = [f"{counted(counts.indexed, 'picture')} indexed, {counts.unchanged:,} unchanged, {counts.failed:,} failed."]
        if counts.joined:
            parts.append(f"{counted(counts.joined, 'picture')} {were(counts.joined)} there already and got further words.")
        if counts.renamed:
            its = "its name" if counts.renamed == 1 else "their names"
            parts.append(f"{counted(counts.renamed, 'picture')} only changed {its}.")
        if counts.removed:
            parts.append(
                f"{counted(counts.removed, 'picture')} left the collection: the catalogue has no such row or file any more."
            )
        if counts.unread:
            parts.append(f"{counted(counts.unread, 'picture')} stay, though not seen: a part of the catalogue could not be read.")
        if self.demo:
            parts.append(f"The demo's {counted(self.demo, 'picture')} made room for yours.")
        return " ".join(parts)
