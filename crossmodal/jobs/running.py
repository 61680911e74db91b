"""One job in its thread: what it does, how it stands, and the two switches by which it is stopped and made to wait."""

import logging
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace

from crossmodal.errors import BusyError, CrossmodalError
from crossmodal.jobs.status import UNDER_WAY, JobStatus
from crossmodal.progress import OnProgress, Progress, Stopped

log = logging.getLogger(__name__)

Work = Callable[[OnProgress, threading.Event], str]
"""Does the job: reports progress, looks at the event now and then, and answers one sentence about what came of it."""

_LOG_LENGTH = 200


class RunningJob:
    """Work under way. May be asked from any thread.

    Attributes:
        ended: set when it is over, whatever became of it.
    """

    def __init__(self, name: str, message: str, work: Work) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._stop, self._go_on = threading.Event(), threading.Event()
        self._go_on.set()
        self.ended = threading.Event()
        self._status = JobStatus(name, "running", Progress(name, message), message, time.time(), job_id=uuid.uuid4().hex)
        self._thread = threading.Thread(target=self._run, name=f"job-{name}", daemon=True)

    @property
    def status(self) -> JobStatus:
        """How it stands."""
        return self._status

    @property
    def under_way(self) -> bool:
        """Whether it has not ended; paused is under way."""
        return self._status.state in UNDER_WAY

    def begin(self) -> None:
        """Raises BusyError: the system has no thread for it."""
        try:
            self._thread.start()
        except (RuntimeError, MemoryError) as error:
            what = f"There is no thread for this job: {error or type(error).__name__}."
            raise BusyError("busy", what, remedy="Try again in a moment.") from error

    def stop(self) -> None:
        """Ask it to stop, also a paused one; it does so at its next good moment."""
        with self._lock:
            self._stop.set()
            self._go_on.set()

    def pause(self) -> None:
        """Let it wait at its next report of progress, until `resume` or `stop`."""
        with self._lock:
            if self._status.state == "running" and not self._stop.is_set():
                self._go_on.clear()
                self._status = replace(self._status, state="paused")

    def resume(self) -> None:
        """Let it go on when it is paused."""
        with self._lock:
            if self._status.state == "paused":
                self._status = replace(self._status, state="running")
                self._go_on.set()

    def join(self, timeout_s: float | None = None) -> None:
        """Wait for its end."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            self._end("done", self._work(self._note, self._stop))
        except Stopped as stopped:
            self._end("stopped", stopped.sentence)
        except CrossmodalError as error:
            log.warning("job failed: %s %s", error.code, error)
            self._end("failed", error.sentence, error)
        except Exception as error:  # a job has no caller to raise to: the log gets the traceback, the person a sentence
            log.exception("job failed")
            self._end("failed", f"Something went wrong inside the program ({type(error).__name__}). The log has the details.")
        finally:
            self.ended.set()

    def _note(self, progress: Progress) -> None:
        with self._lock:
            kept = self._status.log
            if progress.finished or "epoch" in progress.figures:
                kept = (*kept, progress)[-_LOG_LENGTH:]
            self._status = replace(self._status, progress=progress, message=progress.message, log=kept)
        self._go_on.wait()

    def _end(self, state: str, message: str, error: CrossmodalError | None = None) -> None:
        with self._lock:
            self._status = replace(self._status, state=state, message=message, ended_at=time.time(), error=error)
