"""Long work in the background: one job at a time, watched by any number of people, stopped by any of them."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from crossmodal.errors import BusyError, CrossmodalError
from crossmodal.progress import OnProgress, Progress, Stopped

log = logging.getLogger(__name__)

Work = Callable[[OnProgress, threading.Event], str]
"""Does the job: reports progress, looks at the event now and then, and answers one sentence about what came of it."""

_LOG_LENGTH = 200


@dataclass(frozen=True, slots=True)
class JobStatus:
    """A job as it stands. `state` is `running`, `done`, `failed` or `stopped`; `log` holds finished steps and epochs, oldest first."""

    name: str
    state: str
    progress: Progress
    message: str
    started_at: float
    ended_at: float | None = None
    log: tuple[Progress, ...] = ()
    error: CrossmodalError | None = None


class JobBoard:
    """Runs one job at a time in a thread of its own and keeps the status of the last one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._status: JobStatus | None = None
        self._thread: threading.Thread | None = None

    def current(self) -> JobStatus | None:
        """The running or the last job; None before the first."""
        return self._status

    def running(self) -> bool:
        """Whether a job is at work."""
        return self._status is not None and self._status.state == "running"

    def start(self, name: str, message: str, work: Work) -> JobStatus:
        """Begin a job.

        Raises:
            BusyError: another one is running.
        """
        with self._lock:
            if self._status is not None and self._status.state == "running":
                raise BusyError("busy", f"Another job is running: {self._status.message}", remedy="Wait for it, or stop it.")
            self._stop = threading.Event()
            self._status = JobStatus(name, "running", Progress(name, message), message, time.time())
            self._thread = threading.Thread(target=self._run, args=(work, self._stop), name=f"job-{name}", daemon=True)
            self._thread.start()
            return self._status

    def stop(self) -> None:
        """Ask the running job to stop; it does so at its next good moment. Nothing happens when none runs."""
        self._stop.set()

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
        assert self._status is not None
        kept = self._status.log
        if progress.finished or "epoch" in progress.figures:
            kept = (*kept, progress)[-_LOG_LENGTH:]
        self._status = replace(self._status, progress=progress, message=progress.message, log=kept)

    def _end(self, state: str, message: str, error: CrossmodalError | None = None) -> None:
        assert self._status is not None
        self._status = replace(self._status, state=state, message=message, ended_at=time.time(), error=error)
