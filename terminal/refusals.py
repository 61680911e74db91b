"""What the operating system refused, as one of our errors."""

import errno
import os
from pathlib import Path

from crossmodal import file_errors
from crossmodal.errors import CrossmodalError, StoreError

_FULL = (errno.ENOSPC, errno.EDQUOT)


def refusal(error: OSError) -> CrossmodalError:
    """What was refused, with the file where the system names one; `internal` for what has nothing to do with a file."""
    if isinstance(error.filename, str | bytes):
        return file_errors.of_os(error, Path(os.fsdecode(error.filename)))
    why = error.strerror or type(error).__name__
    if error.errno in _FULL:
        return StoreError("disk_full", f"A disk is full: {why}.", remedy="Free some space and try again.")
    return CrossmodalError("internal", f"The system refused something: {why}.", remedy="Run it again with --verbose to see where.")
