"""Jobs as files of the data folder, so that every program on the collection sees them, stops them, and begins none beside another's.

Each job is one JSON document, replaced whole. Whoever runs a job holds a lock; the system frees it when that program ends, whatever it died
of, so that a job whose lock is free was ended with its program.
"""

import json
import logging
import os
import uuid
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from crossmodal.errors import HTTP_STATUS, CrossmodalError
from crossmodal.jobs.shelf import KEPT, Shelf, Wish
from crossmodal.jobs.status import UNDER_WAY, JobStatus
from crossmodal.lock_file import LockFile
from crossmodal.progress import Progress

log = logging.getLogger(__name__)

_ENDED_WITH_ITS_PROGRAM = "It ended together with the program that ran it. What was done so far is kept; start it again to go on."
_WISHES = ("stop", "pause", "resume")


class FolderShelf(Shelf):
    """The jobs of one collection. May be used from many threads and processes.

    Nothing here needs to survive a power cut, and a document that cannot be read is no job: it is passed over.

    Args:
        folder: made when the first job begins.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = LockFile(folder / "running.lock")
        self._read: dict[Path, tuple[int, JobStatus]] = {}

    def claim(self) -> ExitStack | None:
        """The one place there is for a job, until the answer is closed; None while another program has it.

        Raises:
            StoreError: `read_only`, `disk_full`.
        """
        place = ExitStack()
        if not place.enter_context(self._lock.tried()):
            place.close()
            return None
        for status in self._documents():
            if status.state in UNDER_WAY:  # nobody runs it: the place was free
                self.write(_ended_with_its_program(status))
        return place

    def write(self, status: JobStatus) -> None:
        """Tell how a job stands. A disk that is full costs the others this news and nothing else."""
        path = self._folder / f"{status.job_id}.json"
        draft = path.with_name(f"{status.job_id}.{uuid.uuid4().hex[:8]}.part")
        try:
            draft.write_text(json.dumps(_document(status)), encoding="utf-8")
            os.replace(draft, path)  # noqa: PTH105  says what it does: in one step
        except OSError as error:
            log.warning("how a job stands could not be written: %s", error)
            draft.unlink(missing_ok=True)

    def forget(self, job_id: str) -> None:
        """See `Shelf`."""
        (self._folder / f"{job_id}.json").unlink(missing_ok=True)

    def jobs(self) -> list[JobStatus]:
        """The last jobs, newest first."""
        found = self._documents()
        if any(status.state in UNDER_WAY for status in found) and self._lock.is_free():
            found = [_ended_with_its_program(status) if status.state in UNDER_WAY else status for status in found]
        return found

    def tidy(self) -> None:
        """Forget all but the last jobs, and what killed programs left half written."""
        for status in self.jobs()[KEPT:]:
            self.forget(status.job_id)
        for left in (*self._folder.glob("*.part"), *self._folder.glob("*.wish")):
            left.unlink(missing_ok=True)

    def wish(self, job_id: str, wish: Wish) -> None:
        """Ask the program that runs a job for something; it looks twice a second."""
        (self._folder / f"{job_id}.wish").write_text(wish, encoding="utf-8")

    def wished(self, job_id: str) -> Wish | None:
        """What was asked for since the last look."""
        path = self._folder / f"{job_id}.wish"
        try:
            wish = path.read_text(encoding="utf-8")
            path.unlink()
        except OSError:  # nobody wished anything
            return None
        return wish if wish in _WISHES else None  # type: ignore[return-value]

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
