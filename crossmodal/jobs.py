"""Long work in the background: one job at a time, watched by any number of people, paused and stopped by any of them."""

import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from crossmodal.errors import BusyError, CrossmodalError, QueryError
from crossmodal.progress import OnProgress, Progress, Stopped

log = logging.getLogger(__name__)

Work = Callable[[OnProgress, threading.Event], str]
"""Does the job: reports progress, looks at the event now and then, and answers one sentence about what came of it."""

_LOG_LENGTH = 200
_JOBS_KEPT = 20
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


class JobBoard:
    """Runs one job at a time in a thread of its own and keeps the status of the last ones."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._go_on = threading.Event()
        self._status: JobStatus | None = None
        self._ended: deque[JobStatus] = deque(maxlen=_JOBS_KEPT)
        self._thread: threading.Thread | None = None

    def current(self) -> JobStatus | None:
        """The running or the last job; None before the first."""
        return self._status

    def running(self) -> bool:
        """Whether a job is under way, paused ones included."""
        return self._status is not None and self._status.state in UNDER_WAY

    def history(self) -> list[JobStatus]:
        """The last jobs, newest first, the one under way included."""
        with self._lock:
            under_way = [self._status] if self._status is not None and self._status.state in UNDER_WAY else []
            return [*under_way, *reversed(self._ended)]

    def status(self, job_id: str) -> JobStatus:
        """One of the last jobs. Raises QueryError `not_found`."""
        for status in self.history():
            if status.job_id == job_id:
                return status
        raise QueryError("not_found", f"There is no job {job_id!r:.60}.", remedy="The last twenty are remembered until a restart.")

    def start(self, name: str, message: str, work: Work) -> JobStatus:
        """Begin a job.

        Raises:
            BusyError: another one is under way, or the system has no thread for it.
        """
        with self._lock:
            if self._status is not None and self._status.state in UNDER_WAY:
                raise BusyError("busy", f"Another job is running: {self._status.message}", remedy="Wait for it, or stop it.")
            self._stop, self._go_on = threading.Event(), threading.Event()
            self._go_on.set()
            former = self._status, self._thread
            self._status = JobStatus(name, "running", Progress(name, message), message, time.time(), job_id=uuid.uuid4().hex)
            self._thread = threading.Thread(target=self._run, args=(work, self._stop), name=f"job-{name}", daemon=True)
            try:
                self._thread.start()
            except (RuntimeError, MemoryError) as error:
                # A job that never began would stay under way for ever.
                self._status, self._thread = former
                what = f"There is no thread for this job: {error or type(error).__name__}."
                raise BusyError("busy", what, remedy="Try again in a moment.") from error
            return self._status

    def stop(self, job_id: str | None = None) -> None:
        """Ask the job under way to stop, also a paused one; it does so at its next good moment. Nothing happens when none is.

        Args:
            job_id: the job that is meant; None means whichever is under way.

        Raises:
            QueryError: `not_found`. Stopping a job that has ended is fine.
        """
        with self._lock:
            if self._is_meant(job_id):
                self._stop.set()
                self._go_on.set()

    def pause(self, job_id: str | None = None) -> None:
        """Let the job under way wait at its next report of progress, until `resume` or `stop`. Arguments and errors as `stop`."""
        with self._lock:
            if self._is_meant(job_id) and not self._stop.is_set() and self._status is not None and self._status.state == "running":
                self._go_on.clear()
                self._status = replace(self._status, state="paused")

    def resume(self, job_id: str | None = None) -> None:
        """Let a paused job go on. Arguments and errors as `stop`."""
        with self._lock:
            if self._is_meant(job_id) and self._status is not None and self._status.state == "paused":
                self._status = replace(self._status, state="running")
                self._go_on.set()

    def wait(self, timeout_s: float | None = None) -> JobStatus | None:
        """Wait for the running job to end and return its status as it then stands."""
        if self._thread is not None:
            self._thread.join(timeout_s)
        return self._status

    def _run(self, work: Work, stop: threading.Event) -> None:
        try:
            message = work(self._note, stop)
            self._end("done", message)
        except Stopped as stopped:
            self._end("stopped", stopped.sentence)
        except CrossmodalError as error:
            log.warning("job failed: %s %s", error.code, error)
            self._end("failed", error.sentence, error)
        except Exception as error:  # a job has no caller to raise to: the log gets the traceback, the person a sentence
            log.exception("job failed")
            self._end("failed", f"Something went wrong inside the program ({type(error).__name__}). The log has the details.")

    def _note(self, progress: Progress) -> None:
        with self._lock:
            assert self._status is not None
            kept = self._status.log
            if progress.finished or "epoch" in progress.figures:
                kept = (*kept, progress)[-_LOG_LENGTH:]
            self._status = replace(self._status, progress=progress, message=progress.message, log=kept)
        self._go_on.wait()

    def _end(self, state: str, message: str, error: CrossmodalError | None = None) -> None:
        with self._lock:
            assert self._status is not None
            self._status = replace(self._status, state=state, message=message, ended_at=time.time(), error=error)
            self._ended.append(self._status)

    def _is_meant(self, job_id: str | None) -> bool:
        """Whether the job under way is the one; asked while the lock is held. Raises QueryError for an unknown job."""
        status = self._status
        if status is not None and status.state in UNDER_WAY and job_id in (None, status.job_id):
            return True
        if job_id is not None and job_id not in {ended.job_id for ended in self._ended}:
            raise QueryError("not_found", f"There is no job {job_id!r:.60}.", remedy="Look at the list of jobs.")
        return False
