"""Detect the file format from the bytes alone; names and headers cannot be trusted.

Selects the one decoder that is used. Everything else is refused with a message before any decoder sees the bytes.
"""

import re
from functools import cache
from importlib.util import find_spec

from crossmodal.errors import PictureError

CHOOSE = "Choose a JPEG, PNG, GIF, WebP or BMP file."
CONVERT = "Save it as JPEG or PNG and try again."

_SUPPORTED = (
    (re.compile(rb"\xff\xd8\xff"), "JPEG"),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "PNG"),
    (re.compile(rb"GIF8[79]a"), "GIF"),
    (re.compile(rb"RIFF....(?:WEBP|....VP8[ LX])", re.DOTALL), "WEBP"),
    (re.compile(rb"BM"), "BMP"),
)
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
_AVIF_BRANDS = {b"avif", b"avis"}
_OTHER_PICTURES = (
    (re.compile(rb"\s*<(?:svg|(?:\?xml|!--|!DOCTYPE(?!\s+html)).*?<svg)[\s>]", re.DOTALL | re.I), "an SVG drawing"),
    (re.compile(rb"II\*\0|MM\0\*|II\+\0|MM\0\+"), "a TIFF picture"),
    (re.compile(rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"), "a JPEG 2000 picture"),
    (re.compile(rb"\0\0\0\x0cJXL |\xff\x0a"), "a JPEG XL picture"),
    (re.compile(rb"\0\0[\1\2]\0"), "an icon or a TGA picture"),
    (re.compile(rb"8BPS"), "a Photoshop picture"),
    (re.compile(rb"%!PS"), "a PostScript drawing"),
    (re.compile(rb"P[1-7]\s"), "a PNM picture"),
    (re.compile(rb"DDS "), "a DDS texture"),
    (re.compile(rb"SIMPLE  ="), "a FITS picture"),
    (re.compile(rb"\x01\xda"), "an SGI picture"),
)
_NO_PICTURES = (
    (re.compile(rb"version https://git-lfs"), "a Git LFS pointer; the picture itself was never downloaded"),
    (re.compile(rb"\s*(?:<!DOCTYPE html|<html|<head|<body)", re.I), "a web page"),
    (re.compile(rb"%PDF"), "a PDF document"),
    (re.compile(rb"PK[\3\5\7]"), "a ZIP archive or an office document"),
    (re.compile(rb"\x1f\x8b"), "a compressed file"),
    (re.compile(rb"....ftyp", re.DOTALL), "a video"),
    (re.compile(rb"[\t\n\r\x20-\x7e]+\Z"), "text"),
)


def sniff(data: bytes) -> str:
    """Name of the Pillow decoder for a file: JPEG, PNG, GIF, WEBP, BMP; AVIF and HEIF if their decoders are installed.

    Raises:
        PictureError: `empty_file`; `unsupported_format` for another picture format; `not_an_image` for everything else.
    """
    if not data:
        raise PictureError("empty_file", "The file is empty.", remedy="Choose another file, or download it again.")
    for pattern, name in _SUPPORTED:
        if pattern.match(data):
            return name
    brands = _brands(data)
    if brands & _AVIF_BRANDS:
        return _optional("AVIF", "AVIF")
    if brands & _HEIC_BRANDS:
        return _optional("HEIF", "HEIC")
    head = data[:4_096]
    for pattern, words in _OTHER_PICTURES:
        if pattern.match(head):
            raise PictureError("unsupported_format", f"This is {words}, a format that is not supported.", remedy=CONVERT)
    for pattern, words in _NO_PICTURES:
        if pattern.match(head):
            raise PictureError("not_an_image", f"This is not a picture but {words}.", remedy=CHOOSE)
    raise PictureError("not_an_image", "This is not a picture.", remedy=CHOOSE)


@cache
def has_decoder(name: str) -> bool:
    """Whether the optional decoder `AVIF` or `HEIF` is installed; does not import it."""
    return find_spec("PIL._avif" if name == "AVIF" else "pillow_heif") is not None


def _optional(name: str, called: str) -> str:
    if has_decoder(name):
        return name
    what = f"This is an {called} picture" if called == "AVIF" else f"This is a {called} picture, as phones make them"
    remedy = CONVERT if called == "AVIF" else "Install pillow-heif to read HEIC pictures, or save it as JPEG and try again."
    raise PictureError("unsupported_format", f"{what}; {called} is not supported on this computer.", remedy=remedy)


def _brands(data: bytes) -> set[bytes]:
    """The major and compatible brands of an ISO media file (ISO 14496-12); empty for any other file."""
    if data[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(data[:4], "big"), 256, len(data))
    return {data[at : at + 4] for at in (8, *range(16, end - 3, 4))}
