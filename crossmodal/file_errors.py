"""The file system's errors as ours: what happened to which file, and what to do."""

import errno
from pathlib import Path

from crossmodal.errors import StoreError

_FULL_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN_ERRNOS = {errno.EACCES, errno.EPERM, errno.EROFS}


def disk_full(path: Path, why: str) -> StoreError:
    """Nothing more fits on the disk of `path`."""
    return StoreError(
        "disk_full", f"The disk of {path} is full: {why}.", remedy="Free some space and try again; what was added before is safe."
    )


def read_only(path: Path, why: str) -> StoreError:
    """`path` may not be written."""
    return StoreError("read_only", f"{path} cannot be written: {why}.", remedy="Choose a folder you may write to.")


def of_os(error: OSError, path: Path) -> StoreError:
    """A file-system error as one of ours."""
    why = error.strerror or type(error).__name__
    if error.errno in _FULL_ERRNOS:
        return disk_full(path, why)
    if error.errno in _FORBIDDEN_ERRNOS:
        return read_only(path, why)
    return StoreError(
        "index_missing", f"{path} cannot be reached: {why}.", remedy="Check that the folder exists and the disk is there."
    )
