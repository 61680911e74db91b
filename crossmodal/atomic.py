"""Files written whole or not at all: beside the place they are for, and given its name when they are complete."""

import logging
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from crossmodal import errors

log = logging.getLogger(__name__)

_NAMES = f".export-{'[0-9a-f]' * 32}*.part"
# An export writes all the time, unless somebody paused it.
_DEAD_AFTER_S = 24 * 3600.0


def write_whole(path: Path, content: bytes) -> Path:
    """Write a file so that `path` holds either the former one or this; missing folders are made.

    Raises:
        StoreError: `disk_full`, `read_only`; the former file is untouched.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(content)
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise errors.from_oserror(error, path) from error
    return path


@contextmanager
def draft_of(path: Path) -> Iterator[Path]:
    """A place beside `path` to write to, which takes its name at the end and is swept away on an error.

    What exports that were killed a day ago or earlier left in the folder is swept away too.

    Raises:
        StoreError: `disk_full`, `read_only`, `index_missing`.
    """
    # A name of its own, not the process's number: in a container the next process has the same one.
    draft = path.absolute().parent / f".export-{uuid.uuid4().hex}.part"
    try:
        draft.parent.mkdir(parents=True, exist_ok=True)
        _sweep(draft.parent)
        try:
            yield draft
            if path.is_dir():
                path.rmdir()  # an empty folder, as was looked
            draft.replace(path)
        finally:
            _remove(draft)
    except OSError as error:
        raise errors.from_oserror(error, path) from error


def beside(draft: Path, what: str) -> Path:
    """A second draft of the same export; whoever writes it removes it."""
    return draft.with_name(f"{draft.stem}.{what}.part")


def settle(descriptor: int, flush: Callable[[], None]) -> None:
    """Bring an open file to the disk."""
    flush()
    os.fsync(descriptor)


def _sweep(folder: Path) -> None:
    for path in folder.glob(_NAMES):
        try:
            if time.time() - path.lstat().st_mtime > _DEAD_AFTER_S:
                _remove(path)
        except OSError as error:  # another export sweeps too, or the draft is another person's; this export needs neither
            log.info("a draft stays: %s %s", path, error)


def _remove(draft: Path) -> None:
    if draft.is_dir() and not draft.is_symlink():
        shutil.rmtree(draft, ignore_errors=True)
    else:
        draft.unlink(missing_ok=True)
