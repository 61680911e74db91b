"""Locks between processes and between the threads of one: `filelock`, and a way to look at a lock without keeping anybody out.

The system holds these locks: one is free the moment its holder ends, whatever it dies of. The files stay; a file is no lock.
"""

import errno
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from crossmodal import errors

if TYPE_CHECKING:
    from filelock import BaseFileLock

log = logging.getLogger(__name__)

_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP)


@contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Hold a lock inside the block unless somebody else does; the block receives whether it is held. Missing folders are made.

    On a file system without locks (some network shares) everybody holds it.

    Raises:
        StoreError: `read_only`, `disk_full`, `index_missing`: the file cannot be made.
    """
    lock = _lock(path)
    with _one_attempt(path):
        held = _acquired(lock)
    try:
        yield held
    finally:
        lock.release()


@contextmanager
def wait_for_lock(path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold a lock inside the block, however long that takes; `on_wait` is called once if somebody else holds it. Raises as `try_lock`.

    Not for a lock that others look at with `is_locked`: one who looks may be taken for the holder.
    """
    lock = _lock(path)
    if not _acquired(lock):
        on_wait()
        _acquired(lock, blocking=True)
    try:
        yield
    finally:
        lock.release()


def is_locked(path: Path) -> bool:
    """Whether somebody holds the lock at this moment. A missing file is not made. Raises as `try_lock`."""
    if not path.exists():
        return False
    lock = _lock(path)
    with _one_attempt(path):
        try:
            return not _acquired(lock)
        finally:
            lock.release()


@contextmanager
def _one_attempt(path: Path) -> Iterator[None]:
    """Attempts take turns, so that none meets another that only looks and takes it for the holder."""
    turn = _lock(path.with_name(f"{path.name}.turn"), poll_interval_s=0.001)
    _acquired(turn, blocking=True)
    try:
        yield
    finally:
        turn.release()


def _lock(path: Path, *, poll_interval_s: float = 0.1) -> "BaseFileLock":
    from filelock import FileLock  # 0.1 s, which a command that takes no lock need not pay

    return FileLock(path, poll_interval=poll_interval_s, thread_local=False)  # one thread may acquire it and another release it


def _acquired(lock: "BaseFileLock", *, blocking: bool = False) -> bool:
    path = Path(lock.lock_file)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=blocking)
    except TimeoutError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise errors.from_oserror(error, path) from error
        log.warning("nobody is kept out of %s: %s", path, error)
    return True
