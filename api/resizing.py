"""Our own stored JPEGs made smaller."""

from functools import lru_cache

from crossmodal.images.decode import DecodeLimits, decode_picture

_KEPT = 512


@lru_cache(maxsize=_KEPT)
def resized(jpeg: bytes, long_px: int) -> bytes:
    """A JPEG with its long side at most `long_px`; never enlarged. For pictures this program encoded: it decodes in this process."""
    limits = DecodeLimits(rendition_px=long_px, thumbnail_px=long_px)
    return decode_picture(jpeg, limits=limits, square_px=1).rendition
