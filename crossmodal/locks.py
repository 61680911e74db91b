"""A lock between processes and between threads."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from crossmodal import errors
from crossmodal.progress import check_stop

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_LOOK_EVERY_S = 0.1
_TRIES, _PAUSE_S = 50, 0.001


class LockFile:
    """An exclusive lock that the operating system releases when its holder ends, for whatever reason.

    The file exists while the lock is held; a file left by a killed process is not a lock. On a file system without locks (some network
    shares) every process acquires it, so nothing is excluded.

    Args:
        path: the lock file; its folder is created if missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def tried(self) -> Iterator[bool]:
        """Try to hold the lock inside the block. Yields whether it is held.

        Raises:
            StoreError: `read_only`, `disk_full`: the file cannot be created.
        """
        file = self._taken_unless_held()
        try:
            yield file is not None
        finally:
            if file is not None:
                self._release(file)

    @contextmanager
    def waited_for(self, on_wait: Callable[[], None], *, what: str, stop: threading.Event | None = None) -> Iterator[None]:
        """Hold the lock inside the block; wait until it is free.

        Args:
            on_wait: called once if another holder has it.
            what: subject of the message of `Stopped`.
            stop: ends the wait when set.

        Raises:
            Stopped: `stop` was set while waiting. StoreError: as `tried`.
        """
        file = self._taken_unless_held()
        if file is None:
            on_wait()
        while file is None:
            check_stop(stop, what)
            time.sleep(_LOOK_EVERY_S)
            file = self._taken_unless_held()
        try:
            yield
        finally:
            self._release(file)

    def is_free(self) -> bool:
        """Whether the lock is free at this moment. Probing neither creates the file nor makes a concurrent acquire fail.

        Raises:
            StoreError: `read_only`, the file cannot be opened.
        """
        try:
            file = self._path.open("rb")
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError as error:
            raise errors.from_oserror(error, self._path) from error
        with file:  # closing it releases the shared lock
            return _locked(file, shared=True)

    def _taken_unless_held(self) -> BinaryIO | None:
        """Acquire the lock, or None if it is held. A probe (`is_free`) holds a shared lock for a moment: if sharing is possible, retry."""
        for _ in range(_TRIES):
            file = self._taken()
            # Windows has no shared locks: a probe cannot be distinguished from a holder.
            if file is not None or (sys.platform != "win32" and not self.is_free()):
                return file
            time.sleep(_PAUSE_S)
        return None

    def _taken(self) -> BinaryIO | None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            while True:
                file = self._path.open("ab")
                if not _locked(file):
                    file.close()
                    return None
                if self._is_the_one(file):
                    return file
                file.close()  # the previous holder has just deleted it: open it again
        except OSError as error:
            raise errors.from_oserror(error, self._path) from error

    def _is_the_one(self, file: BinaryIO) -> bool:
        try:
            return os.path.samestat(os.fstat(file.fileno()), self._path.stat())
        except FileNotFoundError:
            return False

    def _release(self, file: BinaryIO) -> None:
        with suppress(OSError):  # Windows cannot delete an open file; it stays, unlocked
            self._path.unlink()
        file.close()


def _locked(file: BinaryIO, *, shared: bool = False) -> bool:
    """Lock the file without waiting. Returns True if locked, or if the file system does not support locks."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return True
