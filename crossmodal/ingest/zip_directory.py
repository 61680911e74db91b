"""How long a ZIP's table of contents is, before it is read: Python's reader takes all of it into memory."""

import struct
from pathlib import Path

# PKWARE's APPNOTE 6.3.10, sections 4.3.14 to 4.3.16.
_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LONGEST_COMMENT = 2**16


def directory_bytes(path: Path) -> int:
    """Length of the table of contents as the file declares it; 0 when there is no declaration at its end.

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
        if locator >= 0 and tail[locator : locator + 4] == b"PK\6\7":
            file.seek(min(_LOCATOR.unpack_from(tail, locator)[2], size))
            end = file.read(_END_64.size)
            if len(end) == _END_64.size and end[:4] == b"PK\6\6":
                return max(declared if declared != 0xFFFFFFFF else 0, int(_END_64.unpack(end)[8]))
        return declared
