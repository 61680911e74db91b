"""How many passes a JPEG makes over its picture, without decoding any of them."""

import re

_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")
_START_OF_SCAN = b"\xff\xda"
_SOS, _EOI = _START_OF_SCAN[1], 0xD9


def count_scans(data: bytes, *, most: int) -> int:
    """Start-of-scan markers of the first picture in a JPEG file (ITU T.81, B.1); thumbnails and what follows its end do not count.

    Exact above `most`; below it possibly too high, because then a quick upper bound settles it.
    """
    bound = data.count(_START_OF_SCAN)
    if bound <= most:
        return bound
    scans, at = 0, 2
    while marker := _MARKER.search(data, at):
        code, at = marker[1][0], marker.end()
        if code == _EOI:
            break
        if code == _SOS:
            scans += 1
        at += max(int.from_bytes(data[at : at + 2], "big"), 2)
    return scans
