"""Our own stored JPEGs made smaller."""

import threading
from collections import OrderedDict

from crossmodal.images.decode import DecodeLimits, decode_picture

_KEPT_BYTES = 32 * 2**20


class Resizer:
    """Makes JPEGs smaller and keeps what it made lately. May be used from many threads.

    Args:
        kept_bytes: of all that is kept.
    """

    def __init__(self, kept_bytes: int = _KEPT_BYTES) -> None:
        self._most = kept_bytes
        self._bytes = 0
        self._kept: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def resized(self, jpeg: bytes, long_px: int, digest: str) -> bytes:
        """A JPEG with its long side at most `long_px`; never enlarged. For pictures this program encoded: it decodes in this process.

        Args:
            digest: of `jpeg`, by which what was made of it is found again.
        """
        with self._lock:
            known = self._kept.get((digest, long_px))
            if known is not None:
                self._kept.move_to_end((digest, long_px))
                return known
        limits = DecodeLimits(rendition_px=long_px, thumbnail_px=long_px)
        small = decode_picture(jpeg, limits=limits, square_px=1).rendition
        self._keep((digest, long_px), small)
        return small

    def _keep(self, key: tuple[str, int], small: bytes) -> None:
        with self._lock:
            if key not in self._kept:
                self._kept[key] = small
                self._bytes += len(small)
            while self._bytes > self._most:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= len(dropped)
