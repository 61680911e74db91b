"""Where a board keeps how jobs stand: in memory for one program, or in a folder for all of them."""

from abc import ABC, abstractmethod
from contextlib import ExitStack
from typing import Literal

from crossmodal.jobs.status import JobStatus

Wish = Literal["stop", "pause", "resume"]

KEPT = 20
"""Jobs that are remembered; older ones go."""


class Shelf(ABC):
    """The jobs of one collection. May be used from many threads."""

    @abstractmethod
    def claim(self) -> ExitStack | None:
        """The one place there is for a job, until the answer is closed; None while another program has it."""

    @abstractmethod
    def write(self, status: JobStatus) -> None:
        """Tell how a job stands."""

    @abstractmethod
    def forget(self, job_id: str) -> None:
        """Take away a job that never began."""

    @abstractmethod
    def jobs(self) -> list[JobStatus]:
        """The last jobs, newest first."""

    @abstractmethod
    def tidy(self) -> None:
        """Forget all but the last jobs; by whoever has the place."""

    @abstractmethod
    def wish(self, job_id: str, wish: Wish) -> None:
        """Ask the program that runs a job for something. Raises StoreError: that cannot be written."""

    @abstractmethod
    def wished(self, job_id: str) -> Wish | None:
        """The oldest wish that was not heard yet, None when there is none; by whoever runs the job."""


class MemoryShelf(Shelf):
    """For one program: there is nobody else to take the place or to wish anything."""

    def __init__(self) -> None:
        self._jobs: dict[str, JobStatus] = {}

    def claim(self) -> ExitStack | None:
        """See `Shelf`."""
        return ExitStack()

    def write(self, status: JobStatus) -> None:
        """See `Shelf`."""
        self._jobs[status.job_id] = status

    def forget(self, job_id: str) -> None:
        """See `Shelf`."""
        self._jobs.pop(job_id, None)

    def jobs(self) -> list[JobStatus]:
        """See `Shelf`."""
        return sorted(self._jobs.copy().values(), key=lambda status: status.started_at, reverse=True)

    def tidy(self) -> None:
        """See `Shelf`."""
        for status in self.jobs()[KEPT:]:
            del self._jobs[status.job_id]

    def wish(self, job_id: str, wish: Wish) -> None:
        """See `Shelf`."""

    def wished(self, job_id: str) -> Wish | None:  # noqa: ARG002
        """See `Shelf`."""
        return None
