"""Where the socket lies, and who may speak through it."""

import socket
from pathlib import Path

NAME = "resident.sock"
_LONGEST = 100
"""Bytes of a path that every system's socket addresses hold (104 on macOS, 108 on Linux)."""


def socket_path(data_dir: Path) -> Path | None:
    """The socket of a collection; None where there can be none (Windows, or a path too long for a socket).

    It is made readable and writable for its owner alone: whoever may open it may read the collection's file as well.
    """
    path = data_dir.absolute() / NAME
    return path if hasattr(socket, "AF_UNIX") and len(bytes(path)) <= _LONGEST else None
