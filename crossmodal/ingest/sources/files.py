"""Read files named by a source, confined to the source's folder."""

import os
import stat
from pathlib import Path, PureWindowsPath

from crossmodal.errors import SourceError
from crossmodal.ingest.sources.base import shown

_KEEP_INSIDE = "Put the picture into the catalogue's folder and use a path relative to it."


def read_inside(folder: Path, location: str, *, max_bytes: int) -> bytes:
    """Read the file at `location`, a path relative to `folder` with either kind of slash.

    Raises:
        SourceError: file_missing; path_outside (absolute, outside the folder, also through a link, or not a regular
            file); too_large (more than `max_bytes`).
    """
    path = _inside(folder, location)
    try:
        # A path that became a link or a pipe after the check is neither followed nor waited for.
        descriptor = os.open(
            path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        )
        with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise SourceError("path_outside", f"{shown(location)} is not a regular file.", remedy=_KEEP_INSIDE)
            data = b"" if status.st_size > max_bytes else file.read(max_bytes + 1)
    except OSError as error:
        raise _unreadable(location, error) from error
    size = max(status.st_size, len(data))
    if size > max_bytes:
        raise SourceError(
            "too_large",
            f"{shown(location)} is {size / 2**20:,.1f} MiB; at most {max_bytes / 2**20:,.1f} MiB are allowed.",
            remedy="Make it smaller.",
        )
    return data


def read_file(path: Path, *, max_bytes: int) -> bytes:
    """Read a file given by the user; unlike paths in a source, links are followed anywhere.

    Raises:
        SourceError: as `read_inside`.
    """
    try:
        place = path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise _unreadable(path.name, error) from error
    return read_inside(place.parent, place.name, max_bytes=max_bytes)


def _inside(folder: Path, location: str) -> Path:
    windows = PureWindowsPath(location)
    root = folder.resolve()
    path = root / location.replace("\\", "/")
    if windows.drive or windows.root or not Path(os.path.normpath(path)).is_relative_to(root):
        raise SourceError("path_outside", f"{shown(location)} is outside the catalogue's folder.", remedy=_KEEP_INSIDE)
    try:
        resolved = path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise _unreadable(location, error) from error
    if not resolved.is_relative_to(root):
        raise SourceError(
            "path_outside", f"{shown(location)} is a link that leads out of the catalogue's folder.", remedy=_KEEP_INSIDE
        )
    return resolved


def _unreadable(location: str, error: Exception) -> SourceError:
    """Convert OSError (missing, unreadable, name too long), RuntimeError (link loop) and ValueError (NUL in the name)."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return SourceError(
            "file_missing", f"There is no file {shown(location)}.", remedy="Check its name, or put the picture there."
        )
    reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is not a usable file name"
    return SourceError("file_missing", f"{shown(location)} cannot be read: {reason}.", remedy="Check its name and permissions.")
