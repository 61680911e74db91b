"""Jobs as files of the data folder, so that every program on the collection sees them, stops them, and begins none beside another's.

Each job is one JSON document, replaced whole. Whoever runs a job holds a lock; the system frees it when that program ends, whatever it died
of, so that a job whose lock is free was ended with its program.
"""

import json
import logging
import os
import time
import uuid
from abc import ABC, abstractmethod
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from crossmodal import errors
from crossmodal.errors import HTTP_STATUS, CrossmodalError
from crossmodal.locks import is_locked, try_lock
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


Wish = Literal["stop", "pause", "resume"]

KEPT = 20
"""Jobs that are remembered; older ones go."""


class JobStore(ABC):
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


class MemoryJobStore(JobStore):
    """For one program: there is nobody else to take the place or to wish anything."""

    def __init__(self) -> None:
        self._jobs: dict[str, JobStatus] = {}

    def claim(self) -> ExitStack | None:
        """See `JobStore`."""
        return ExitStack()

    def write(self, status: JobStatus) -> None:
        """See `JobStore`."""
        self._jobs[status.job_id] = status

    def forget(self, job_id: str) -> None:
        """See `JobStore`."""
        self._jobs.pop(job_id, None)

    def jobs(self) -> list[JobStatus]:
        """See `JobStore`."""
        return sorted(self._jobs.copy().values(), key=lambda status: status.started_at, reverse=True)

    def tidy(self) -> None:
        """See `JobStore`."""
        for status in self.jobs()[KEPT:]:
            del self._jobs[status.job_id]

    def wish(self, job_id: str, wish: Wish) -> None:
        """See `JobStore`."""

    def wished(self, job_id: str) -> Wish | None:  # noqa: ARG002
        """See `JobStore`."""
        return None


log = logging.getLogger(__name__)

_ENDED_WITH_ITS_PROGRAM = "It ended together with the program that ran it. What was done so far is kept; start it again to go on."
_STALE_S = 60.0
_WISHES: tuple[Wish, ...] = get_args(Wish)


class FileJobStore(JobStore):
    """The jobs of one collection. May be used from many threads and processes.

    Nothing here needs to survive a power cut, and a document that cannot be read is no job: it is passed over.

    Args:
        folder: made when the first job begins.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = folder / "running.lock"
        self._read: dict[Path, tuple[int, JobStatus]] = {}

    def claim(self) -> ExitStack | None:
        """The one place there is for a job, until the answer is closed; None while another program has it.

        Raises:
            StoreError: `read_only`, `disk_full`.
        """
        place = ExitStack()
        if not place.enter_context(try_lock(self._lock)):
            place.close()
            return None
        for status in self._documents():
            if status.state in UNDER_WAY:  # nobody runs it: the place was free
                self.write(_ended_with_its_program(status))
        return place

    def write(self, status: JobStatus) -> None:
        """Tell how a job stands. A disk that is full costs the others this news and nothing else."""
        try:
            _write_whole(self._folder / f"{status.job_id}.json", json.dumps(_document(status)))
        except OSError as error:
            log.warning("how a job stands could not be written: %s", error)

    def forget(self, job_id: str) -> None:
        """See `JobStore`."""
        (self._folder / f"{job_id}.json").unlink(missing_ok=True)

    def jobs(self) -> list[JobStatus]:
        """The last jobs, newest first."""
        found = self._documents()
        if any(status.state in UNDER_WAY for status in found) and not is_locked(self._lock):
            found = [_ended_with_its_program(status) if status.state in UNDER_WAY else status for status in found]
        return found

    def tidy(self) -> None:
        """Forget all but the last jobs, wishes to jobs that have ended, and what killed programs left half written."""
        jobs = self.jobs()
        for status in jobs[KEPT:]:
            self.forget(status.job_id)
        under_way = {status.job_id for status in jobs if status.state in UNDER_WAY}
        for wish in self._folder.glob("*.wish"):
            if wish.name.partition(".")[0] not in under_way:
                wish.unlink(missing_ok=True)
        for draft in self._folder.glob("*.part"):
            with suppress(FileNotFoundError):  # its writer has just given it its name
                if time.time() - draft.stat().st_mtime > _STALE_S:
                    draft.unlink()

    def wish(self, job_id: str, wish: Wish) -> None:
        """Ask the program that runs a job for something; it looks twice a second. Each wish is a file, so that none takes another's place.

        Raises:
            StoreError: `disk_full`, `read_only`, `index_missing` (the folder is gone).
        """
        path = self._folder / f"{job_id}.{time.time_ns():020}-{uuid.uuid4().hex[:8]}.wish"
        try:
            _write_whole(path, wish)
        except OSError as error:
            raise errors.from_oserror(error, path) from error

    def wished(self, job_id: str) -> Wish | None:
        """The oldest wish that was not heard yet; None when there is none."""
        for path in sorted(self._folder.glob(f"{job_id}.*.wish")):
            try:
                said = path.read_text(encoding="utf-8")
                path.unlink()
            except (OSError, UnicodeDecodeError) as error:  # one that stays is not heard: it would be heard for ever
                log.debug("%s is no wish: %s", path.name, error)
                continue
            if (wish := next((each for each in _WISHES if each == said), None)) is not None:
                return wish
        return None

    def _documents(self) -> list[JobStatus]:
        """Newest first; none where there is no folder."""
        found = {path: known for path in self._folder.glob("*.json") if (known := self._known(path)) is not None}
        self._read = found  # jobs that are forgotten are forgotten here, too
        return sorted((status for _, status in found.values()), key=lambda status: status.started_at, reverse=True)

    def _known(self, path: Path) -> tuple[int, JobStatus] | None:
        """A document with the time of its writing, read again only when that changed; None for what is no job."""
        try:
            at = path.stat().st_mtime_ns
            known = self._read.get(path)
            if known is not None and known[0] == at:
                return known
            return at, _status(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.debug("%s is no job: %s", path.name, error)
            return None


def _write_whole(path: Path, text: str) -> None:
    """Put a file in its place in one step: who reads it finds what was there before, or all of it."""
    draft = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, path)  # noqa: PTH105  says what it does: in one step
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def _document(status: JobStatus) -> dict[str, Any]:
    error = status.error
    said = None if error is None else {"code": error.code, "message": error.message, "remedy": error.remedy}
    plain = ("name", "state", "message", "started_at", "ended_at", "job_id")
    return {name: getattr(status, name) for name in plain} | {
        "progress": asdict(replace(status.progress, figures=dict(status.progress.figures))),
        "log": [asdict(replace(each, figures=dict(each.figures))) for each in status.log],
        "error": said,
    }


def _status(document: dict[str, Any]) -> JobStatus:
    error = document.pop("error")
    if error is not None and error["code"] not in HTTP_STATUS:
        raise ValueError("no such code")
    return JobStatus(
        progress=Progress(**document.pop("progress")),
        log=tuple(Progress(**each) for each in document.pop("log")),
        error=None if error is None else CrossmodalError(error["code"], error["message"], remedy=error["remedy"]),
        **document,
    )


def _ended_with_its_program(status: JobStatus) -> JobStatus:
    return replace(status, state="failed", message=_ENDED_WITH_ITS_PROGRAM, ended_at=status.ended_at or status.started_at)
