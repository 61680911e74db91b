"""Starts jobs and lists them: those of this process, and those of every other process on the collection."""

import logging
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from crossmodal.errors import BusyError, CrossmodalError, QueryError
from crossmodal.jobs.store import HISTORY_SIZE, UNDER_WAY, JobStatus, JobStore, Request
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
            began, progress = self._status.started_at, self._status.progress
            if not progress.finished:
                progress = replace(progress, seconds_left=None)
            ended_at = max(time.time(), began)  # the clock may have been set back
            self._status = replace(self._status, state=state, message=message, progress=progress, ended_at=ended_at, error=error)


_REPORT_EVERY_S = 0.5


class JobManager:
    """Runs one job at a time and shows the last ones.

    Args:
        store: shared with other processes.
        report_every_s: time between two reports of a job's progress to the store, and two looks for other processes' requests.
    """

    def __init__(self, store: JobStore, *, report_every_s: float = _REPORT_EVERY_S) -> None:
        self._store = store
        self._report_every_s = report_every_s
        self._lock = threading.Lock()
        self._ended_before = {status.job_id for status in store.jobs() if status.state not in UNDER_WAY}
        self._own: RunningJob | None = None
        self._reporter: threading.Thread | None = None

    def current(self) -> JobStatus | None:
        """The job under way, of whatever process, or the one that ended last since this manager exists; None before the first."""
        if self._own is not None and self._own.under_way:  # nothing has to be read
            return self._own.status
        return next((status for status in self.history() if status.job_id not in self._ended_before), None)

    def running(self) -> bool:
        """Whether a job is under way, paused ones included."""
        status = self.current()
        return status is not None and status.state in UNDER_WAY

    def history(self) -> list[JobStatus]:
        """The last jobs, the one that began last first, the one under way included."""
        recorded = self._store.jobs()
        if self._own is None:
            return recorded
        own = self._own.status
        if any(status.job_id == own.job_id for status in recorded):
            return [own if status.job_id == own.job_id else status for status in recorded]
        # It could not be recorded, or twenty other processes' jobs came after it.
        return [own, *recorded] if own.state in UNDER_WAY else [*recorded, own][:HISTORY_SIZE]

    def status(self, job_id: str) -> JobStatus:
        """One of the last jobs. Raises QueryError `not_found`."""
        for status in self.history():
            if status.job_id == job_id:
                return status
        raise QueryError(
            "not_found", f"There is no job {job_id!r:.60}.", remedy="The last twenty are remembered; look at their list."
        )

    def start(self, name: str, message: str, work: Work) -> JobStatus:
        """Start a job.

        Raises:
            BusyError: another one is under way here or in another process, or the system has no thread for it.
            StoreError: the data folder cannot be written.
        """
        with self._lock:
            if self._own is not None and self._own.under_way:
                raise _busy(self._own.status)
            if self._reporter is not None:
                self._reporter.join()  # the former job has ended: its slot is free in a moment
            slot = self._store.acquire()
            if slot is None:
                raise _busy(self.current())
            job = RunningJob(name, message, work)
            try:
                self._store.write(job.status)
                job.begin()
            except BaseException:
                self._store.delete(job.status.job_id)
                slot.close()
                raise
            self._own = job
            self._reporter = threading.Thread(target=self._report, args=(job, slot), name="job-reporter", daemon=True)
            self._reporter.start()
            return job.status

    def stop(self, job_id: str | None = None) -> None:
        """Ask the job under way to stop, also a paused one; it does so at its next good moment. Nothing happens when none is.

        Args:
            job_id: the job that is meant; None means whichever is under way, in this process or another.

        Raises:
            QueryError: `not_found`. Stopping a job that has ended is fine.
            StoreError, BusyError: the request to another process cannot be recorded.
        """
        self._request(job_id, "stop")

    def pause(self, job_id: str | None = None) -> None:
        """Let the job under way wait at its next report of progress, until `resume` or `stop`. Arguments and errors as `stop`."""
        self._request(job_id, "pause")

    def resume(self, job_id: str | None = None) -> None:
        """Let a paused job continue. Arguments and errors as `stop`."""
        self._request(job_id, "resume")

    def wait(self, timeout_s: float | None = None) -> JobStatus | None:
        """Wait for the job of this process to end and return how it then stands; None when it started none."""
        if self._own is None:
            return None
        self._own.join(timeout_s)
        if not self._own.under_way and self._reporter is not None:
            self._reporter.join(timeout_s)
        return self._own.status

    def cancel_own(self) -> None:
        """Ask this process's job to stop, and no other's: for a process that ends."""
        if self._own is not None:
            self._own.stop()

    def _request(self, job_id: str | None, request: Request) -> None:
        status = self.current() if job_id is None else self.status(job_id)
        if status is None or status.state not in UNDER_WAY:
            return
        if self._own is not None and self._own.status.job_id == status.job_id:
            _apply(self._own, request)
        else:
            self._store.request(status.job_id, request)

    def _report(self, job: RunningJob, slot: ExitStack) -> None:
        """Now and then until the job ends: record how it stands, and apply the other processes' requests."""
        job_id, recorded = job.status.job_id, job.status
        with slot:
            while not job.ended.wait(self._report_every_s):
                while (request := self._store.next_request(job_id)) is not None:
                    _apply(job, request)
                if job.status is not recorded:
                    recorded = job.status
                    self._store.write(recorded)
            self._store.write(job.status)


def _apply(job: RunningJob, request: Request) -> None:
    {"stop": job.stop, "pause": job.pause, "resume": job.resume}[request]()


def _busy(status: JobStatus | None) -> BusyError:
    what = f"Another job is running: {status.message}" if status is not None else "Another program has begun a job."
    return BusyError("busy", what, remedy="Wait for it, or stop it.")
