"""Bytes -> a picture that can be trusted: the one place where files are decoded.

Every rule is here as a plain function; `crossmodal.images.decoder` runs it in a process of its own, which is where hostile bytes
belong. A picture comes out upright, RGB, on white, 8 bits a channel, re-encoded and without metadata. Colour profiles are ignored:
applying them means running another parser over hostile bytes, and the encoder was not trained on managed colours.

Imports Pillow and nothing larger: a decoding process has to start quickly.
"""

import contextlib
import hashlib
import io
import math
import re
import struct
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from PIL import BmpImagePlugin, GifImagePlugin, Image, JpegImagePlugin, PngImagePlugin, UnidentifiedImageError, WebPImagePlugin

from crossmodal.errors import PictureError
from crossmodal.images.formats import CONVERT, sniff

QUALITY = 88


def with_colours(image: Image.Image) -> Image.Image:
    """A mode that can be averaged: RGB, RGBA, L, CMYK or 16 and more bits of grey."""
    if image.mode.startswith(("I", "F")):
        return image
    if image.has_transparency_data:
        return image if image.mode == "RGBA" else image.convert("RGBA")
    return image if image.mode in ("RGB", "L", "CMYK") else image.convert("RGB")


def shrink(image: Image.Image, need: float) -> Image.Image:
    """Average blocks of pixels when there are far more than needed, so that what follows is cheap.

    Args:
        need: needed size as a part of the size at hand; at least twice the need is left.
    """
    blocks = int(0.5 / need)
    if blocks < 2:
        return image
    if image.mode.startswith(("I", "F")):
        width, height = image.size
        return image.resize((max(1, width // blocks), max(1, height // blocks)), Image.Resampling.BOX)
    return image.reduce(blocks)


def on_white(image: Image.Image) -> Image.Image:
    """RGB. What shows through is white; 16 bits of grey are scaled, not clipped."""
    if image.mode == "RGBA":
        white = Image.new("RGB", image.size, (255, 255, 255))
        white.paste(image, mask=image)
        return white
    if image.mode.startswith(("I", "F")):
        image = image.convert("I").point(lambda value: value * (1 / 257) + 0.5).convert("L")
    return image if image.mode == "RGB" else image.convert("RGB")


def turned(image: Image.Image, turn: Image.Transpose | None) -> Image.Image:
    """Turned, or itself."""
    return image if turn is None else image.transpose(turn)


def square(image: Image.Image, side: int) -> Image.Image:
    """The middle square, scaled once with antialiasing: short side to `side`, then the centre."""
    width, height = image.size
    if width == height == side:
        return image
    short = min(width, height)
    left, top = (width - short) / 2, (height - short) / 2
    return image.resize((side, side), Image.Resampling.BILINEAR, box=(left, top, left + short, top + short))


def fitted(image: Image.Image, long_px: int) -> Image.Image:
    """The whole picture with its long side at most `long_px`; never enlarged."""
    width, height = image.size
    scale = long_px / max(width, height)
    if scale >= 1:
        return image
    return image.resize((max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.BICUBIC)


def jpeg(image: Image.Image) -> bytes:
    """Re-encoded. Nothing of the original file is in it but its pixels: the caller cleared `info`."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


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


if TYPE_CHECKING:
    from crossmodal.items import Picture

# Named so that Pillow finds them registered and never loads its other forty decoders to look for one.
PLUGINS = (BmpImagePlugin, GifImagePlugin, JpegImagePlugin, PngImagePlugin, WebPImagePlugin)

SMALLER = "Save a smaller copy and try again."
AGAIN = "Open it in a picture program, save it again as JPEG or PNG, and try that."

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112
_SAY_ORIENTATION = ("exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif")

_GUARD = threading.Lock()


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """What one picture may cost, and what is kept of it.

    Attributes:
        max_bytes: largest file.
        max_pixels: largest picture, width x height as the file declares it.
        max_side_px: longest side.
        max_jpeg_scans: most passes over one JPEG; each costs as much as decoding it once.
        rendition_px: long side of the stored picture; smaller ones stay as they are.
        thumbnail_px: long side of the thumbnail.
        timeout_s: longest time in a decoding process.
        memory_bytes: most memory of a decoding process, where the system can limit it.
    """

    max_bytes: int = 20 * 2**20
    max_pixels: int = 40_000_000
    max_side_px: int = 32_768
    max_jpeg_scans: int = 100
    rendition_px: int = 512
    thumbnail_px: int = 256
    timeout_s: float = 8.0
    memory_bytes: int = 512 * 2**20


class Decoded(NamedTuple):
    """A picture as plain bytes, the way it crosses from one process to another. See `crossmodal.items.Picture`."""

    width_px: int
    height_px: int
    pixels: bytes
    rendition: bytes
    thumbnail: bytes


def decode_picture(data: bytes, *, limits: DecodeLimits, square_px: int) -> "Picture":
    """Decode in this process, one picture at a time. For bytes of strangers use `Decoder`, which can be killed.

    Args:
        square_px: side of `Picture.pixels`.

    Raises:
        PictureError: `empty_file`, `too_large`, `not_an_image`, `unsupported_format`, `image_too_large`, `image_corrupt`,
            `timeout`.
    """
    import numpy as np

    from crossmodal.items import Picture

    with _guarded(limits):
        width, height, pixels, rendition, thumbnail = decode_parts(data, limits=limits, square_px=square_px)
    middle = np.frombuffer(bytearray(pixels), np.uint8).reshape(square_px, square_px, 3)
    return Picture(hashlib.sha256(data).hexdigest(), width, height, middle, rendition, thumbnail)


def decode_parts(data: bytes, *, limits: DecodeLimits, square_px: int) -> Decoded:
    """The same as plain bytes, in a process where `guard_pillow` was called. Raises as `decode_picture`."""
    check_file_size(data, limits)
    kind = sniff(data)
    if kind == "JPEG":
        _check_scans(data, limits.max_jpeg_scans)
    try:
        return _decode(data, kind, limits, square_px)
    except PictureError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        what = f"This picture is larger than {limits.max_pixels / 1e6:g} million pixels."
        raise PictureError("image_too_large", what, remedy=SMALLER) from error
    except MemoryError as error:
        what = f"This picture needs more than {limits.memory_bytes / 2**20:.0f} MB of memory to open."
        raise PictureError("image_too_large", what, remedy=SMALLER) from error
    except Exception as error:  # decoders raise whatever a broken byte leads to; all of it means one thing
        raise PictureError("image_corrupt", f"This {_called(kind)} picture is damaged or incomplete.", remedy=AGAIN) from error


def check_file_size(data: bytes, limits: DecodeLimits) -> None:
    """Raises PictureError, `too_large`."""
    if len(data) > limits.max_bytes:
        what = f"The file has {len(data) / 2**20:.1f} MB, at most {limits.max_bytes / 2**20:.3g} MB are possible."
        raise PictureError("too_large", what, remedy=SMALLER)


def _decode(data: bytes, kind: str, limits: DecodeLimits, square_px: int) -> Decoded:
    with _open(data, kind) as image:
        width, height = image.size
        _check_size(width, height, limits)
        need = max(limits.rendition_px / max(width, height), square_px / min(width, height))
        image.draft(None, (math.ceil(width * need), math.ceil(height * need)))  # JPEG only: decodes at 1/2, 1/4 or 1/8
        image.load()
        turn = _turn(image)
        picture = on_white(shrink(with_colours(image), need * max(width, height) / max(image.size)))
    picture.info = {}  # Pillow would write a comment of the original into the copy
    middle = turned(square(picture, square_px), turn)
    large = turned(fitted(picture, limits.rendition_px), turn)
    small = fitted(large, limits.thumbnail_px)
    rendition = jpeg(large)
    thumbnail = rendition if small is large else jpeg(small)
    if turn in (Image.Transpose.TRANSPOSE, Image.Transpose.TRANSVERSE, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270):
        width, height = height, width
    return Decoded(width, height, middle.tobytes(), rendition, thumbnail)


def _open(data: bytes, kind: str) -> Image.Image:
    if kind == "AVIF":
        from PIL import AvifImagePlugin

        AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    elif kind == "HEIF":
        from pillow_heif import register_heif_opener

        register_heif_opener(thumbnails=False, decode_threads=1)
    try:
        return Image.open(io.BytesIO(data), formats=(kind,))
    except UnidentifiedImageError as error:
        if kind != "HEIF":  # its container holds more kinds of pictures than there are decoders for
            raise
        raise PictureError("unsupported_format", "This HEIC picture is of a kind that cannot be read.", remedy=CONVERT) from error


def _check_size(width: int, height: int, limits: DecodeLimits) -> None:
    """Before anything is decoded: the declared size is what decoding would cost."""
    if width < 1 or height < 1:
        raise PictureError("image_corrupt", f"This picture says it is {width} x {height} pixels.", remedy=AGAIN)
    if width * height > limits.max_pixels:
        what = f"This picture has {width} x {height} pixels, more than {limits.max_pixels / 1e6:g} million."
        raise PictureError("image_too_large", what, remedy=SMALLER)
    if max(width, height) > limits.max_side_px:
        what = f"This picture has {width} x {height} pixels; no side may be longer than {limits.max_side_px}."
        raise PictureError("image_too_large", what, remedy=SMALLER)


def _check_scans(data: bytes, most: int) -> None:
    scans = count_scans(data, most=most)
    if scans > most:
        what = f"This JPEG would take too long to open: it has {scans} passes, at most {most} are possible."
        raise PictureError("timeout", what, remedy=AGAIN)


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What makes the picture upright. None for no word about it, an unknown one, or one that cannot be read."""
    if not any(key in image.info for key in _SAY_ORIENTATION):
        return None
    try:
        return _UPRIGHT.get(image.getexif().get(_ORIENTATION, 1))
    except (SyntaxError, ValueError, TypeError, LookupError, OSError, ArithmeticError, struct.error):
        return None  # a picture with broken metadata is still a picture, and nothing else of it is used


def _called(kind: str) -> str:
    return {"HEIF": "HEIC", "WEBP": "WebP"}.get(kind, kind)


@contextlib.contextmanager
def _guarded(limits: DecodeLimits) -> Iterator[None]:
    """`guard_pillow` for a while. Under a lock: what it sets is the whole process's."""
    with _GUARD, warnings.catch_warnings():
        before = Image.MAX_IMAGE_PIXELS
        guard_pillow(limits)
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def guard_pillow(limits: DecodeLimits) -> None:
    """Make Pillow's warning about bombs an error at our limit, and silence its others: broken metadata is no news."""
    Image.MAX_IMAGE_PIXELS = limits.max_pixels
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)
