"""How a job stands: the value that boards, shelves and doors pass on."""

from dataclasses import dataclass

from crossmodal.errors import CrossmodalError
from crossmodal.progress import Progress

UNDER_WAY = ("running", "paused")
"""States of a job that has not ended."""


@dataclass(frozen=True, slots=True)
class JobStatus:
    """A job as it stands.

    Attributes:
        state: `running`, `paused`, `done`, `failed` or `stopped`.
        log: finished steps and epochs, oldest first.
        job_id: tells it from every other job.
    """

    name: str
    state: str
    progress: Progress
    message: str
    started_at: float
    ended_at: float | None = None
    log: tuple[Progress, ...] = ()
    error: CrossmodalError | None = None
    job_id: str = ""
