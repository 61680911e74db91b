"""The body of an answer: read in pieces, counted before and after unpacking, never held beyond its limit."""

import zlib
from collections.abc import Iterable
from typing import Protocol

from crossmodal.errors import FetchError

UPLOAD_INSTEAD = "Check it, or save the picture and upload it."


class _Unpacker(Protocol):
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Plain:
    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return data[:max_length]


def read_body(pieces: Iterable[bytes], *, encoding: str, length: int | None, max_bytes: int) -> bytes:
    """Join the pieces of an answer into the picture's bytes.

    Args:
        pieces: the body as it comes; reading stops at the first piece too many.
        encoding: the answer's Content-Encoding. We ask for none; gzip and deflate are unpacked all the same, nothing else is.
        length: the length the answer claims, or None.
        max_bytes: most bytes before and after unpacking.

    Returns:
        The bytes, possibly none.

    Raises:
        FetchError: `too_large` (before a byte is read when the claim says so), `bad_response` for a broken or unknown encoding.
    """
    if length is not None and length > max_bytes:
        raise too_large(max_bytes)
    unpacker = _unpacker(encoding)
    body = bytearray()
    packed = 0
    for piece in pieces:
        packed += len(piece)
        body += _unpack(unpacker, piece, max_bytes - len(body) + 1)
        if packed > max_bytes or len(body) > max_bytes:
            raise too_large(max_bytes)
    if packed and not getattr(unpacker, "eof", True):
        raise bad_response("its compressed answer ended too early")
    return bytes(body)


def too_large(max_bytes: int) -> FetchError:
    """More bytes than a picture may have."""
    what = f"The picture at that address is larger than {max_bytes / 2**20:.3g} MB."
    return FetchError("too_large", what, remedy="Save a smaller copy and upload that.")


def bad_response(reason: str) -> FetchError:
    """An answer that breaks the rules of the web; `reason` completes the sentence."""
    return FetchError("bad_response", f"That address gave an answer that cannot be read: {reason}.", remedy=UPLOAD_INSTEAD)


def _unpacker(encoding: str) -> _Unpacker:
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return _Plain()
    if encoding in ("gzip", "x-gzip", "deflate"):
        return zlib.decompressobj(zlib.MAX_WBITS | 32)  # 32: the header says whether it is gzip or zlib
    raise bad_response(f"it is packed as '{encoding[:40]}'")


def _unpack(unpacker: _Unpacker, piece: bytes, room: int) -> bytes:
    try:
        return unpacker.decompress(piece, room)
    except zlib.error as error:
        raise bad_response("its compressed answer is broken") from error
