"""A lock between processes, and between the threads of one."""

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
    """Held by one holder at a time, and free again when that one ends, whatever it dies of: the system keeps the lock, not the file.

    The file is there while the lock is held. One that a killed process left is no lock. Where a file system keeps no locks (some network
    shares), every process holds it, and so no one is kept out.

    Args:
        path: its folder is made when it is missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def tried(self) -> Iterator[bool]:
        """Hold the lock inside the block unless somebody else does; the block is told which.

        Raises:
            StoreError: `read_only`, `disk_full`, the file cannot be made.
        """
        file = self._taken_unless_held()
        try:
            yield file is not None
        finally:
            if file is not None:
                self._release(file)

    @contextmanager
    def waited_for(self, on_wait: Callable[[], None], *, what: str, stop: threading.Event | None = None) -> Iterator[None]:
        """Hold the lock inside the block, however long that takes.

        Args:
            on_wait: called once, when somebody else holds it.
            what: what is waited for, for `Stopped`.

        Raises:
            Stopped: `stop` was set meanwhile. StoreError: as `tried`.
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
        """Whether nobody holds it at this moment. Who looks holds nothing, makes no file, and keeps nobody out.

        Raises:
            StoreError: `read_only`, the file cannot be opened.
        """
        try:
            file = self._path.open("rb")
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError as error:
            raise errors.from_oserror(error, self._path) from error
        with file:  # closing it gives the look back
            return _locked(file, shared=True)

    def _taken_unless_held(self) -> BinaryIO | None:
        """Looking shares the lock for a moment, and one that is shared cannot be taken: where it can still be shared, nobody holds it."""
        for _ in range(_TRIES):
            file = self._taken()
            # Windows shares nothing: who looks there cannot be told from a holder.
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
                file.close()  # its former holder has just taken it away: the next one to open makes it anew
        except OSError as error:
            raise errors.from_oserror(error, self._path) from error

    def _is_the_one(self, file: BinaryIO) -> bool:
        try:
            return os.path.samestat(os.fstat(file.fileno()), self._path.stat())
        except FileNotFoundError:
            return False

    def _release(self, file: BinaryIO) -> None:
        with suppress(OSError):  # Windows deletes no open file; then it stays, and is no lock
            self._path.unlink()
        file.close()


def _locked(file: BinaryIO, *, shared: bool = False) -> bool:
    """Whether the file is ours now, alone or with others who share it; also where the file system keeps no locks."""
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
