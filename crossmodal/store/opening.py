"""Opening the file: what must be true before anything is read from it or written to it."""

import os
import uuid
from contextlib import closing
from pathlib import Path

from crossmodal.store import schema
from crossmodal.store.connections import connect
from crossmodal.store.errors import damaged, translated

_EMPTY = "Restore a copy of it, or delete the empty file to begin a new collection."


def open_file(path: Path, *, wait_s: float) -> None:
    """Make the file, or look it over, so that the connections that follow find a sound database of today's format.

    Raises:
        StoreError: `index_corrupt`, `store_too_new`, `read_only`, `disk_full`.
    """
    with translated(path):
        log = path.with_name(path.name + "-wal")
        if log.exists() and log.stat().st_size and not (path.exists() and path.stat().st_size):
            # SQLite would throw the log away, and with it the last items.
            raise damaged(path, f"it is empty or missing, but its log {log.name} is there")
        if not path.exists():
            _make(path, wait_s)
        # A collection is never empty, for it comes into being whole: whatever emptied this file should be known.
        if not path.stat().st_size:
            raise damaged(path, "it is empty", remedy=_EMPTY)
        with closing(connect(path, wait_s=wait_s)) as db:
            schema.check(db, path)
            schema.prepare(db, path, wait_s=wait_s)


def _make(path: Path, wait_s: float) -> None:
    """A new collection, complete from the moment it has its name, whoever else makes it at the same moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{uuid.uuid4().hex}.new")
    try:
        draft.touch()
        with closing(connect(draft, wait_s=wait_s)) as db:
            schema.prepare(db, draft, wait_s=wait_s)
        _give_name(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _give_name(draft: Path, path: Path) -> None:
    try:
        os.link(draft, path)
    except FileExistsError:
        # Another process was faster; its collection is the one.
        return
    except OSError:
        # Some memory sticks know no second names.
        if not path.exists():
            draft.rename(path)
