"""How long a ZIP's table of contents is, before it is read: Python's reader takes all of it into memory."""

import struct
from pathlib import Path
from typing import BinaryIO

# PKWARE's APPNOTE 6.3.10, sections 4.3.14 to 4.3.16.
_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LONGEST_COMMENT = 2**16
_IN_64 = 0xFFFFFFFF
"""What stands for a length that only the 64-bit declaration can hold."""


def directory_bytes(path: Path) -> int:
    """Length of the table of contents as the file declares it; 0 when there is no declaration at its end.

    Where declarations differ it is the longest: which of them is believed is the reader's choice.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        start = max(0, size - _LONGEST_COMMENT - _END.size - _LOCATOR.size)
        file.seek(start)
        tail = file.read()
        # Without a comment the declaration lies at the very end, and Python looks there first.
        place = len(tail) - _END.size
        if tail[place : place + 4] != b"PK\5\6":
            place = tail.rfind(b"PK\5\6")
        if place < 0 or place + _END.size > len(tail):
            return 0
        declared = int(_END.unpack_from(tail, place)[5])
        locator = place - _LOCATOR.size
        if locator < 0 or tail[locator : locator + 4] != b"PK\6\7":
            return declared
        # Where the 64-bit declaration is said to lie, and directly before the place that says so: Python's reader has taken either, so
        # both count. A 32-bit length that only points there counts too where it would be taken for want of one.
        near = _declared_64(file, start + locator - _END_64.size)
        told = _declared_64(file, min(_LOCATOR.unpack_from(tail, locator)[2], size))
        return max(near or 0, told or 0, declared if near is None or declared != _IN_64 else 0)


def _declared_64(file: BinaryIO, offset: int) -> int | None:
    """The length in the 64-bit declaration at `offset`; None when there is none."""
    if offset < 0:
        return None
    file.seek(offset)
    end = file.read(_END_64.size)
    return int(_END_64.unpack(end)[8]) if len(end) == _END_64.size and end[:4] == b"PK\6\6" else None
