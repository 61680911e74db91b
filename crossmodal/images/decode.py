"""Decode untrusted bytes to a picture: the only place where image files are decoded.

All rules are plain functions here; `crossmodal.images.decoder` runs them in child processes, as hostile bytes require. The result is
upright, RGB, on white, 8 bits per channel, re-encoded and without metadata. Colour profiles are ignored: applying them would run
another parser on hostile bytes, and the encoders are not trained on colour-managed pictures.

Imports nothing larger than Pillow, because a decoding process must start quickly.
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
    """Convert to a mode that can be averaged: RGB, RGBA, L, CMYK, or grey with 16 or more bits."""
    if image.mode.startswith(("I", "F")):
        return image
    if image.has_transparency_data:
        return image if image.mode == "RGBA" else image.convert("RGBA")
    return image if image.mode in ("RGB", "L", "CMYK") else image.convert("RGB")


def shrink(image: Image.Image, need: float) -> Image.Image:
    """Average blocks of pixels if there are far more than needed, to make later steps cheap.

    Args:
        need: needed size as a fraction of the current size; the result is at least twice as large as needed.
    """
    blocks = int(0.5 / need)
    if blocks < 2:
        return image
    if image.mode.startswith(("I", "F")):
        width, height = image.size
        return image.resize((max(1, width // blocks), max(1, height // blocks)), Image.Resampling.BOX)
    return image.reduce(blocks)


def on_white(image: Image.Image) -> Image.Image:
    """Convert to RGB. Transparent parts become white; 16-bit grey is scaled, not clipped."""
    if image.mode == "RGBA":
        white = Image.new("RGB", image.size, (255, 255, 255))
        white.paste(image, mask=image)
        return white
    if image.mode.startswith(("I", "F")):
        image = image.convert("I").point(lambda value: value * (1 / 257) + 0.5).convert("L")
    return image if image.mode == "RGB" else image.convert("RGB")


def turned(image: Image.Image, turn: Image.Transpose | None) -> Image.Image:
    """Apply `turn`, if any."""
    return image if turn is None else image.transpose(turn)


def square(image: Image.Image, side: int, fit: "Fit" = "crop") -> Image.Image:
    """The picture as `side` x `side` pixels, scaled with antialiasing; see `Fit`."""
    width, height = image.size
    if width == height == side:
        return image
    if fit == "squash":
        return image.resize((side, side), Image.Resampling.BILINEAR)
    if fit == "bicubic squash":
        return image.resize((side, side), Image.Resampling.BICUBIC)
    short = min(width, height)
    if fit == "crop":
        left, top = (width - short) / 2, (height - short) / 2
        return image.resize((side, side), Image.Resampling.BILINEAR, box=(left, top, left + short, top + short))
    # As the processor of CLIP: the scaled picture and the corner of its middle have whole pixels.
    scaled_w, scaled_h = side * width // short, side * height // short
    across, down = width / scaled_w, height / scaled_h
    left, top = (scaled_w - side) // 2 * across, (scaled_h - side) // 2 * down
    right, bottom = min(width, left + side * across), min(height, top + side * down)  # rounding may go past the edge
    return image.resize((side, side), Image.Resampling.BICUBIC, box=(left, top, right, bottom))


def fitted(image: Image.Image, long_px: int) -> Image.Image:
    """Scale the picture so that its long side is at most `long_px`; never enlarges."""
    width, height = image.size
    scale = long_px / max(width, height)
    if scale >= 1:
        return image
    return image.resize((max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.BICUBIC)


def jpeg(image: Image.Image) -> bytes:
    """Encode as JPEG. Contains only pixels of the original file, because the caller cleared `info`."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")
_START_OF_SCAN = b"\xff\xda"
_SOS, _EOI = _START_OF_SCAN[1], 0xD9


def count_scans(data: bytes, *, most: int) -> int:
    """Count start-of-scan markers of the first picture in a JPEG file (ITU T.81, B.1), without thumbnails and trailing data.

    Exact above `most`; up to `most` possibly too high, because a quick upper bound suffices there.
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
    from crossmodal.items import Fit, Picture

# Imported so that they are registered: otherwise Pillow loads its other forty decoders to find one.
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
    """Resource limits for one picture, and the sizes that are kept of it.

    Attributes:
        max_bytes: maximum file size.
        max_pixels: maximum width x height, as declared by the file.
        max_side_px: maximum width or height.
        max_jpeg_scans: maximum scans of a JPEG; each costs as much as decoding it once.
        rendition_px: long side of the stored picture; smaller pictures are not enlarged.
        thumbnail_px: long side of the thumbnail.
        timeout_s: time limit in a decoding process.
        memory_bytes: memory limit of a decoding process, where the system supports one.
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
    """A picture as plain bytes, for transfer between processes. See `crossmodal.items.Picture`."""

    width_px: int
    height_px: int
    pixels: bytes
    rendition: bytes
    thumbnail: bytes


def decode_picture(data: bytes, *, limits: DecodeLimits, square_px: int, fit: "Fit" = "crop") -> "Picture":
    """Decode in this process, one picture at a time. For untrusted bytes use `Decoder`, whose processes can be killed.

    Args:
        square_px, fit: side of `Picture.pixels`, and how they are made.

    Raises:
        PictureError: `empty_file`, `too_large`, `not_an_image`, `unsupported_format`, `image_too_large`, `image_corrupt`,
            `timeout`.
    """
    import numpy as np

    from crossmodal.items import Picture

    with _guarded(limits):
        width, height, pixels, rendition, thumbnail = decode_parts(data, limits=limits, square_px=square_px, fit=fit)
    middle = np.frombuffer(bytearray(pixels), np.uint8).reshape(square_px, square_px, 3)
    return Picture(hashlib.sha256(data).hexdigest(), width, height, middle, rendition, thumbnail, fit)


def decode_parts(data: bytes, *, limits: DecodeLimits, square_px: int, fit: "Fit" = "crop") -> Decoded:
    """Like `decode_picture`, but returns plain bytes; requires `guard_pillow` to have been called in this process."""
    check_file_size(data, limits)
    kind = sniff(data)
    if kind == "JPEG":
        _check_scans(data, limits.max_jpeg_scans)
    try:
        return _decode(data, kind, limits, square_px, fit)
    except PictureError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        what = f"This picture is larger than {limits.max_pixels / 1e6:g} million pixels."
        raise PictureError("image_too_large", what, remedy=SMALLER) from error
    except MemoryError as error:
        what = f"This picture needs more than {limits.memory_bytes / 2**20:.0f} MB of memory to open."
        raise PictureError("image_too_large", what, remedy=SMALLER) from error
    except Exception as error:  # a decoder may raise anything on broken bytes
        raise PictureError("image_corrupt", f"This {_called(kind)} picture is damaged or incomplete.", remedy=AGAIN) from error


def check_file_size(data: bytes, limits: DecodeLimits) -> None:
    """Raise PictureError, `too_large`, if the file exceeds `limits.max_bytes`."""
    if len(data) > limits.max_bytes:
        what = f"The file has {len(data) / 2**20:.1f} MB, at most {limits.max_bytes / 2**20:.3g} MB are allowed."
        raise PictureError("too_large", what, remedy=SMALLER)


def _decode(data: bytes, kind: str, limits: DecodeLimits, square_px: int, fit: "Fit") -> Decoded:
    with _open(data, kind) as image:
        width, height = image.size
        _check_size(width, height, limits)
        need = max(limits.rendition_px / max(width, height), square_px / min(width, height))
        image.draft(None, (math.ceil(width * need), math.ceil(height * need)))  # JPEG only: decodes at 1/2, 1/4 or 1/8
        image.load()
        turn = _turn(image)
        picture = on_white(shrink(with_colours(image), need * max(width, height) / max(image.size)))
    picture.info = {}  # otherwise Pillow copies the original's comment
    middle = turned(square(picture, square_px, fit), turn)
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
        if kind != "HEIF":  # its container allows codecs that the decoder does not support
            raise
        raise PictureError("unsupported_format", "This HEIC picture is of a kind that cannot be read.", remedy=CONVERT) from error


def _check_size(width: int, height: int, limits: DecodeLimits) -> None:
    """Check the declared size before decoding, since it determines the cost."""
    if width < 1 or height < 1:
        raise PictureError("image_corrupt", f"This picture declares a size of {width} x {height} pixels.", remedy=AGAIN)
    if width * height > limits.max_pixels:
        what = f"This picture has {width} x {height} pixels, more than {limits.max_pixels / 1e6:g} million."
        raise PictureError("image_too_large", what, remedy=SMALLER)
    if max(width, height) > limits.max_side_px:
        what = f"This picture has {width} x {height} pixels; no side may be longer than {limits.max_side_px}."
        raise PictureError("image_too_large", what, remedy=SMALLER)


def _check_scans(data: bytes, most: int) -> None:
    scans = count_scans(data, most=most)
    if scans > most:
        what = f"This JPEG would take too long to open: it has {scans} scans, at most {most} are allowed."
        raise PictureError("timeout", what, remedy=AGAIN)


def _turn(image: Image.Image) -> Image.Transpose | None:
    """The transpose that makes the picture upright; None without a readable, known orientation."""
    if not any(key in image.info for key in _SAY_ORIENTATION):
        return None
    try:
        return _UPRIGHT.get(image.getexif().get(_ORIENTATION, 1))
    except (SyntaxError, ValueError, TypeError, LookupError, OSError, ArithmeticError, struct.error):
        return None  # broken metadata does not make the picture unusable; nothing else of it is read


def _called(kind: str) -> str:
    return {"HEIF": "HEIC", "WEBP": "WebP"}.get(kind, kind)


@contextlib.contextmanager
def _guarded(limits: DecodeLimits) -> Iterator[None]:
    """Apply `guard_pillow` temporarily; locked, because its settings are process-wide."""
    with _GUARD, warnings.catch_warnings():
        before = Image.MAX_IMAGE_PIXELS
        guard_pillow(limits)
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def guard_pillow(limits: DecodeLimits) -> None:
    """Raise an error for decompression bombs above the limit, and silence Pillow's other warnings (broken metadata)."""
    Image.MAX_IMAGE_PIXELS = limits.max_pixels
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)
