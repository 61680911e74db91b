"""Download of a checkpoint from the Hugging Face hub, of which no byte is fetched twice, and which is checked before it is used.

The client of the hub lists the files with their hashes and opens the connections. Everything else is done here, because the client starts
again at zero after a crash, compares sizes only, and waits as long as a server asks for. Files arrive in `NAME.part` beside the target,
where every later call goes on. Names are taken from fixed lists, paths never from a server. One rename puts the folder in its place.
"""

import io
import logging
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crossmodal import errors
from crossmodal.errors import BusyError, CrossmodalError, StoreError, WeightsError
from crossmodal.hub import remote
from crossmodal.hub.files import Record, is_complete, read_record, record_folder
from crossmodal.hub.published import megabytes
from crossmodal.hub.remote import ATTEMPTS, COMMIT, END, Head, HubFile, Listing, Stream
from crossmodal.locks import try_lock
from crossmodal.progress import DOWNLOAD, OnProgress, Progress, check_stop

log = logging.getLogger(__name__)

_SPARE_BYTES = 16 * 2**20
_RATE_OVER_S = 10.0
_A_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True)
class Timing:
    """The clock of a download, for tests.

    Attributes:
        now: monotonic time in seconds.
        wait: waits for at most a number of seconds, or until the event is set.
    """

    now: Callable[[], float] = time.monotonic
    wait: Callable[[threading.Event, float], object] = threading.Event.wait


def folder_name(repository: str) -> str:
    """The name of a repository's folder among the weights, and of its record."""
    return repository.rpartition("/")[2]


def record_path(repository: str, home: Path) -> Path:
    """Path of the record of a repository's files, whether it exists or not."""
    return home / f"{folder_name(repository)}.json"


def present(repository: str, home: Path) -> Record | None:
    """The record of a model that is here complete; None if it is not. Compares sizes only: a load compares more."""
    try:
        record = read_record(record_path(repository, home))
        same = all((record.folder / name).stat().st_size == file.size for name, file in record.files.items())
    except (WeightsError, OSError):
        return None
    return record if same else None


def arrived_bytes(repository: str, home: Path) -> int:
    """Bytes of an unfinished download; 0 if there is none."""
    total = 0
    with suppress(FileNotFoundError), os.scandir(home / f"{folder_name(repository)}.part") as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # renamed, complete, by the process that fetches it
                total += entry.stat(follow_symlinks=False).st_size
    return total


def discard(repository: str, home: Path) -> None:
    """Delete an unfinished download, if there is one. Raises BusyError: it is running."""
    with _alone(repository, home):
        shutil.rmtree(home / f"{folder_name(repository)}.part", ignore_errors=True)


def download(
    repository: str,
    home: Path,
    *,
    on_progress: OnProgress,
    stop: threading.Event | None = None,
    answer_s: float = remote.NO_ANSWER_S,
    timing: Timing | None = None,
) -> Record:
    """Fetch a checkpoint into `home`, or go on with a download that stopped there. A complete one is checked instead.

    Args:
        repository: `organisation/name` on the hub.
        home: folder of the weights; the checkpoint becomes a folder in it, with a record beside it.
        on_progress: may block, which pauses the download.
        stop: looked at several times a second.
        answer_s: how long the list of files may take, name lookup included.

    Raises:
        WeightsError: it cannot be fetched; the code says why (`connect_failed`, `timeout`, `not_found`, `forbidden`, `rate_limited`,
            `http_status`, `bad_response`, or `weights_missing` for a folder in the way).
        StoreError: `disk_full`, `read_only`. BusyError: another process is downloading it. Stopped: what has arrived is kept.
    """
    with _alone(repository, home):
        run = _Download(repository, home, on_progress, stop or threading.Event(), answer_s, timing or Timing())
        try:
            return run.record()
        except OSError as error:
            raise errors.from_oserror(error, home) from error


@contextmanager
def _alone(repository: str, home: Path) -> Iterator[None]:
    with try_lock(home / f".{folder_name(repository)}.lock") as held:
        if not held:
            what = f"{repository} is being downloaded by another program."
            raise BusyError("busy", what, remedy="Wait until it is done, or stop it there.")
        yield


@dataclass
class _Download:
    repository: str
    home: Path
    on_progress: OnProgress
    stop: threading.Event
    answer_s: float
    timing: Timing
    done: int = 0
    total: int = 0
    recent: deque[tuple[float, int]] = field(default_factory=deque)

    def record(self) -> Record:
        target, path = self.home / folder_name(self.repository), record_path(self.repository, self.home)
        damaged = False
        if path.exists():
            self._say("Checking the files that are here")
            try:
                return self._finished(read_record(path).check(whole=True, stop=self.stop))
            except WeightsError as error:
                log.warning("%s", error)
                damaged = True  # what is whole is kept below
        elif is_complete(target):  # put here by hand, or by a process that ended before it wrote the record
            self._say("Checking the files that are here")
            commit = _commit_noted(target)
            return self._finished(record_folder(path, target, repository=self.repository, commit=commit, stop=self.stop))
        elif target.exists() and any(target.iterdir()):
            what = f"The folder {target} is in the way: it has files, but no whole model."
            raise WeightsError("weights_missing", what, remedy="Rename or delete it, or complete it by hand.")
        self._say(f"Asking the hub for the files of {self.repository}")
        listing = self._listing()
        part = self.home / f"{folder_name(self.repository)}.part"
        if damaged and target.exists():
            shutil.rmtree(part, ignore_errors=True)
            target.rename(part)
        part.mkdir(parents=True, exist_ok=True)
        missing = self._missing(listing, part)
        self._check_disk(part)
        for file in missing:
            self._fetch(listing, file, part)
        (part / _COMMIT_NOTE).write_text(listing.commit)
        check_stop(self.stop, "The download")
        with suppress(OSError):  # an empty folder, which Windows cannot replace
            target.rmdir()
        part.rename(target)
        return self._finished(record_folder(path, target, repository=self.repository, commit=listing.commit, stop=self.stop))

    def _finished(self, record: Record) -> Record:
        size = record.size_bytes
        self.on_progress(Progress(DOWNLOAD, f"{self.repository} is here: {megabytes(size)}", size, size, finished=True))
        return record

    # The list of files

    def _listing(self) -> Listing:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                found = remote.within(self.answer_s, lambda: remote.model_info(self.repository), self.stop)
                return remote.listing_of(self.repository, found)
            except CrossmodalError:
                raise
            except Exception as error:
                seconds = remote.worth_waiting(error, attempt) if remote.status_of(error) else None
                if seconds is None:
                    raise remote.error_of(error, self.repository, self.home / folder_name(self.repository)) from error
                self._pause(seconds, "The hub is busy")
        raise AssertionError("the last attempt raises")

    # What is here already

    def _missing(self, listing: Listing, part: Path) -> list[HubFile]:
        """The files that are not complete in the unfinished folder; deletes what belongs to none of them."""
        wanted_names = {file.name for file in listing.files} | {_partial(file) for file in listing.files}
        for entry in list(part.iterdir()):
            if entry.name not in wanted_names and not entry.is_dir():
                entry.unlink()
        missing = []
        self.total = sum(file.size for file in listing.files)
        for file in listing.files:
            check_stop(self.stop, "The download")
            try:
                whole = file.is_content_of(part / file.name)
            except FileNotFoundError:
                whole = False
            if whole:
                self.done += file.size
                continue
            (part / file.name).unlink(missing_ok=True)
            missing.append(file)
            with suppress(FileNotFoundError):
                self.done += min(file.size, (part / _partial(file)).stat().st_size)
        return missing

    def _check_disk(self, part: Path) -> None:
        needed, free = self.total - self.done + _SPARE_BYTES, shutil.disk_usage(part).free
        if needed > free:
            what = f"{self.repository} needs {megabytes(needed)} more, and the disk of {part.parent} has {megabytes(free)} free."
            raise StoreError("disk_full", what, remedy="Free some space and start it again; what has arrived is kept.")

    # One file

    def _fetch(self, listing: Listing, file: HubFile, part: Path) -> None:
        partial = part / _partial(file)
        with partial.open("ab+", buffering=0) as opened:
            opened.seek(0)
            hashed, have = file.hasher(), 0
            while chunk := opened.read(2**20):
                hashed.update(chunk)
                have += len(chunk)
            if have > file.size:
                opened.truncate(0)
                hashed, self.done, have = file.hasher(), self.done - file.size, 0
            failures, most = 0, have
            while have < file.size:
                error: Exception | None = None
                try:
                    for chunk in self._body(listing, file, have):
                        if chunk is _RESTART:
                            opened.truncate(0)
                            hashed, self.done, have = file.hasher(), self.done - have, 0
                            continue
                        if have + len(chunk) > file.size:
                            raise _wrong(self.repository, file.name, "is longer than the hub says")
                        _write(opened, chunk)
                        hashed.update(chunk)
                        have += len(chunk)
                        self._arrived(len(chunk))
                except _Unusable as unusable:
                    error = unusable.reason
                if have == file.size:
                    break
                failures, most = (0, have) if have > most else (failures + 1, most)
                seconds = remote.worth_waiting(error, failures, line_dropped=bool(self.recent)) if failures else 0.0
                if seconds is None:
                    assert error is not None
                    raise remote.error_of(error, self.repository, self.home / folder_name(self.repository)) from error
                self._pause(seconds, "The connection was cut")
            os.fsync(opened.fileno())
        if hashed.hexdigest() != file.digest:
            partial.unlink()
            raise _wrong(self.repository, file.name, "has another content than the hub says: its hash is wrong")
        partial.rename(part / file.name)

    def _body(self, listing: Listing, file: HubFile, have: int) -> Iterator[Any]:
        """The chunks of a file from a position on; `_RESTART` first if the server begins at 0 all the same.

        Raises:
            _Unusable: the request failed and may be repeated.
        """
        silent_since = self.timing.now()
        stream = Stream(listing, file, have)
        try:
            while True:
                if self._report():
                    silent_since = self.timing.now()
                check_stop(self.stop, "The download")
                event = stream.next()
                if event is None:
                    if self.timing.now() - silent_since > remote.SILENCE_S:
                        raise _Unusable(TimeoutError("silence"))
                    continue
                silent_since = self.timing.now()
                if isinstance(event, Exception):
                    raise _Unusable(event)
                if event is END:
                    raise _Unusable(remote.Cut("the body ended early"))  # of a complete body, the caller has taken the last chunk
                if isinstance(event, Head):
                    if (refused := event.refused(have)) is not None:
                        raise _Unusable(refused)
                    if have and event.status != 206:
                        have = 0
                        yield _RESTART
                    continue
                have += len(event)
                yield event
                if have == file.size:
                    return
        finally:
            stream.abandon()

    # Progress

    def _arrived(self, count: int) -> None:
        self.done += count
        now = self.timing.now()
        self.recent.append((now, self.done))
        while now - self.recent[0][0] > _RATE_OVER_S:
            self.recent.popleft()

    def _report(self) -> bool:
        """Returns whether the report took long, because the user paused the download."""
        rate = 0.0
        if len(self.recent) > 1:
            (began, first), (_, last) = self.recent[0], self.recent[-1]
            rate = (last - first) / max(self.timing.now() - began, 0.1)
        left = (self.total - self.done) / rate if rate else None
        what = f"Downloading {folder_name(self.repository)}: {megabytes(self.done)} of {megabytes(self.total)}"
        paused = self.timing.now()
        self.on_progress(Progress(DOWNLOAD, what, self.done, self.total, rate_per_s=rate, seconds_left=left))
        if self.timing.now() - paused < _A_PAUSE_S:
            return False
        self.recent.clear()  # a pause is no slow line
        return True

    def _say(self, what: str) -> None:
        self.on_progress(Progress(DOWNLOAD, what))
        check_stop(self.stop, "The download")

    def _pause(self, seconds: float, why: str) -> None:
        until = self.timing.now() + seconds
        while (left := until - self.timing.now()) > 0:
            self.on_progress(Progress(DOWNLOAD, f"{why}; trying again in {left:.0f} s", self.done, self.total))
            self.timing.wait(self.stop, min(left, 1.0))
            check_stop(self.stop, "The download")


_COMMIT_NOTE = ".commit"
_RESTART = object()


class _Unusable(Exception):
    """A request that brought no usable body, with the reason."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


def _write(opened: io.FileIO, chunk: bytes) -> None:
    """Hand a whole chunk to the system, so that it survives this process. Raises OSError."""
    left = memoryview(chunk)
    while left:
        left = left[opened.write(left) :]


def _partial(file: HubFile) -> str:
    """Name of a file that is arriving; with its hash, so that bytes of two versions never mix."""
    return f"{file.name}.{file.digest[:16]}.partial"


def _wrong(repository: str, name: str, why: str) -> WeightsError:
    what = f"{name} of {repository} {why}."
    return WeightsError(
        "bad_response", what, remedy="Start the download again; if it stays so, something between here and the hub changes it."
    )


def _commit_noted(folder: Path) -> str:
    """The commit that a download noted in its folder; empty for a folder made by hand."""
    with suppress(OSError):
        noted = (folder / _COMMIT_NOTE).read_text(encoding="utf-8", errors="replace").strip()
        return noted if COMMIT.fullmatch(noted) else ""
    return ""
