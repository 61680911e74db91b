"""Keep freed memory for the next step of a training.

Every training step asks for some hundred megabytes in large pieces and frees them again. glibc hands such pieces back to the system at
once, so the next step pays for each page anew, which on a virtual machine can cost more than the arithmetic. `mallopt(3)` describes the two
thresholds that are raised here for a while. Where the C library is another one, nothing happens.
"""

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEEP = 2**30
_USUAL = 128 * 2**10


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Inside, freed memory stays with the process; afterwards it is given back."""
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_THRESHOLD, _KEEP)
    libc.mallopt(_M_TRIM_THRESHOLD, _KEEP)
    try:
        yield
    finally:
        libc.mallopt(_M_MMAP_THRESHOLD, _USUAL)
        libc.mallopt(_M_TRIM_THRESHOLD, _USUAL)
        libc.malloc_trim(0)
