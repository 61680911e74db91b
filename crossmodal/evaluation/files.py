"""Reports and pictures on disk: written whole or not at all."""

import os
from contextlib import suppress
from pathlib import Path

from crossmodal import file_errors


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
        raise file_errors.of_os(error, path) from error
    return path
