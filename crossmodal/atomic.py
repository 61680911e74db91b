"""Atomic file writes: written under a temporary name in the same folder, then renamed. The only place that does so."""

import logging
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from crossmodal import errors
from crossmodal.errors import QueryError

log = logging.getLogger(__name__)

_NAMES = f".draft-{'[0-9a-f]' * 32}.part"
# A running writer changes its file continuously unless it is paused, so an older draft was abandoned.
_STALE_S = 24 * 3600.0


def write_whole(path: Path, content: bytes, *, durable: bool = False) -> Path:
    """Write a file atomically; missing folders are created. Returns `path`.

    Args:
        durable: sync the content to disk before returning.

    Raises:
        StoreError: `disk_full`, `read_only`, `index_missing`; an existing file is unchanged.
    """
    with _draft(path.parent, path) as draft:
        draft.write_bytes(content)
        put_in_place(draft, path, durable=durable)
    return path


@contextmanager
def atomic_path(path: Path, *, durable: bool = True, replace: bool = True) -> Iterator[Path]:
    """A temporary path for a file or folder that is renamed to `path` at the end of the block and deleted on an error.

    Also deletes drafts in that folder that have not changed for a day (left by killed processes).

    Args:
        durable: sync a file's content, or only a folder's name, to disk at the end of the block.
        replace: whether a file that exists at the end of the block is replaced; a folder with content never is.

    Raises:
        StoreError: `disk_full`, `read_only`, `index_missing`, for any OSError of the block; `path` is then unchanged.
        QueryError: `bad_request`: the file exists and `replace` is False.
    """
    with _draft(path.parent, path) as draft:
        _sweep(draft.parent)
        yield draft
        try:
            put_in_place(draft, path, durable=durable, replace=replace)
        except FileExistsError as error:
            raise QueryError("bad_request", f"{path} already exists.", remedy="Choose another name.") from error


@contextmanager
def temporary_path(folder: Path) -> Iterator[Path]:
    """Like `atomic_path` for a name known only at the end: the block calls `put_in_place`, otherwise nothing is kept."""
    with _draft(folder, folder) as draft:
        _sweep(draft.parent)
        yield draft


def put_in_place(draft: Path, path: Path, *, durable: bool = True, replace: bool = True) -> None:
    """Rename a complete file or folder to `path`. Raises OSError; FileExistsError if the file exists and `replace` is False."""
    if draft.is_dir():
        with suppress(FileNotFoundError):  # Windows cannot replace a folder, not even an empty one
            path.rmdir()
    elif durable:
        _sync(draft)
    if replace or draft.is_dir():
        draft.replace(path)
    else:
        _name_new(draft, path)
    if durable and os.name == "posix":  # Windows cannot open a folder, and needs no such step
        try:
            _sync(path.parent)
        except OSError as error:  # some network shares cannot; the file is renamed anyway
            log.debug("%s cannot be synchronised: %s", path.parent, error)


def _name_new(draft: Path, path: Path) -> None:
    """Rename a file to a name that must be free. The check and the act are one system call where the disk has hard links."""
    try:
        os.link(draft, path)
    except FileExistsError:
        raise
    except OSError as error:  # FAT has none
        log.debug("%s cannot be linked: %s", draft, error)
        path.open("xb").close()
        draft.replace(path)


@contextmanager
def _draft(folder: Path, target: Path) -> Iterator[Path]:
    # A random name, not the process's number: two containers on one volume have the same numbers.
    draft = folder.absolute() / f".draft-{uuid.uuid4().hex}.part"
    try:
        draft.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield draft
        finally:
            _remove(draft)
    except (NotADirectoryError, FileExistsError) as error:  # a file is where a folder is needed
        raise errors.read_only(target, error.strerror or type(error).__name__) from error
    except OSError as error:
        raise errors.from_oserror(error, target) from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sweep(folder: Path) -> None:
    for path in folder.glob(_NAMES):
        try:
            if time.time() - path.lstat().st_mtime > _STALE_S:
                _remove(path)
        except OSError as error:  # another process sweeps too, or the draft is another person's; this writer needs neither
            log.info("a draft stays: %s %s", path, error)


def _remove(draft: Path) -> None:
    if draft.is_dir() and not draft.is_symlink():
        shutil.rmtree(draft, ignore_errors=True)
    else:
        draft.unlink(missing_ok=True)
