import hashlib
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from crossmodal.errors import PictureError
from crossmodal.images.decode import (
    DecodeLimits,
    count_scans,
    decode_parts,
    decode_picture,
    fitted,
    jpeg,
    on_white,
    shrink,
    square,
    with_colours,
)
from crossmodal.images.formats import has_decoder
from crossmodal.items import Picture
from tests.crossmodal.images.drawing import corners, encode, is_upright, reopened

LIMITS = DecodeLimits()
TURN_BACK = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def decode(data: bytes, *, square_px: int = 64, **limits: Any) -> Picture:
    return decode_picture(data, limits=DecodeLimits(**limits), square_px=square_px)


def code_of(data: bytes, **limits: Any) -> str:
    with pytest.raises(PictureError) as error:
        decode(data, **limits)
    assert error.value.remedy
    return error.value.code


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def animated(kind: str) -> bytes:
    rest = [Image.new("RGB", (240, 160), (grey, grey, grey)) for grey in range(0, 250, 5)]
    return encode(corners(), kind, save_all=True, append_images=rest, duration=20)


UPSIDE_DOWN = corners().transpose(Image.Transpose.ROTATE_180)
REAL = {
    "baseline JPEG": encode(corners(), "JPEG", quality=90),
    "progressive JPEG": encode(corners(), "JPEG", quality=90, progressive=True),
    "CMYK JPEG": encode(corners().convert("CMYK"), "JPEG", quality=90),
    "JPEG of a phone with two pictures": encode(corners(), "MPO", quality=90, save_all=True, append_images=[UPSIDE_DOWN]),
    "PNG": encode(corners()),
    "PNG with palette": encode(corners().convert("P", palette=Image.Palette.ADAPTIVE)),
    "PNG with alpha": encode(corners().convert("RGBA")),
    "GIF": encode(corners(), "GIF"),
    "BMP": encode(corners(), "BMP"),
    "WebP": encode(corners(), "WEBP", quality=90),
    "WebP without loss": encode(corners().convert("RGBA"), "WEBP", lossless=True),
    "animated GIF": animated("GIF"),
    "animated PNG": animated("PNG"),
    "animated WebP": animated("WEBP"),
}


@pytest.mark.parametrize("data", REAL.values(), ids=REAL.keys())
def test_pictures_people_really_have_come_out_right(data: bytes) -> None:
    picture = decode(data)
    assert (picture.width_px, picture.height_px) == (240, 160)
    assert picture.content_hash == hashlib.sha256(data).hexdigest()
    assert picture.pixels.shape == (64, 64, 3)
    assert picture.pixels.dtype == np.uint8
    assert reopened(picture.rendition).size == (240, 160)
    assert is_upright(picture)


@pytest.mark.skipif(not has_decoder("AVIF"), reason="this Pillow reads no AVIF")
def test_avif_is_read() -> None:
    assert is_upright(decode(encode(corners(), "AVIF", quality=90)))


@pytest.mark.skipif(not has_decoder("HEIF"), reason="needs pillow-heif")
def test_heic_is_read_and_turned_once() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    assert is_upright(decode(encode(corners(), "HEIF", quality=90)))
    turned = corners().transpose(Image.Transpose.ROTATE_90)
    picture = decode(encode(turned, "HEIF", quality=90, exif=exif(6).tobytes()))
    assert (picture.width_px, picture.height_px) == (240, 160)
    assert is_upright(picture)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_is_turned_upright(orientation: int, kind: str) -> None:
    image = corners(600, 400)
    turned = image.transpose(TURN_BACK[orientation]) if orientation > 1 else image
    picture = decode(encode(turned, kind, exif=exif(orientation)))
    assert (picture.width_px, picture.height_px) == (600, 400)
    assert reopened(picture.rendition).size == (512, 341)
    assert reopened(picture.thumbnail).size == (256, 170)
    assert is_upright(picture)


@pytest.mark.parametrize(
    "tags",
    [
        exif(99).tobytes(),
        b"Exif\0\0" + bytes(range(256)) * 9,
        b"Exif\0\0II*\0\x08\0\0\0\1\0\x69\x87\4\0\1\0\0\0\x08\0\0\0\x08\0\0\0",
    ],
)
def test_broken_metadata_leaves_a_picture_as_it_is(tags: bytes) -> None:
    assert is_upright(decode(encode(corners(), "JPEG", exif=tags, icc_profile=b"no profile" * 50)))


def test_transparent_pictures_stand_on_white() -> None:
    hidden = encode(Image.new("RGBA", (64, 64), (255, 0, 255, 0)))
    palette = Image.new("P", (64, 64), 1)
    palette.putpalette([0, 0, 0, 255, 0, 255])
    for data in (
        hidden,
        encode(palette, transparency=1),
        encode(palette, "GIF", transparency=1),
        encode(palette, transparency=b"\xff\0"),
    ):
        picture = decode(data)
        assert picture.pixels.min() == 255
        assert min(low for low, _ in reopened(picture.rendition).getextrema()) >= 254  # type: ignore[misc, union-attr]
    key = encode(Image.new("RGB", (64, 64), (1, 2, 3)), transparency=(1, 2, 3))
    assert decode(key).pixels.min() == 255


def test_sixteen_bit_grey_keeps_its_middle() -> None:
    grey = np.full((64, 64), 32_896, np.uint16)
    assert set(decode(encode(Image.fromarray(grey))).pixels.ravel().tolist()) == {128}


def test_big_pictures_are_kept_small_and_small_ones_as_they_are() -> None:
    big = decode(encode(corners(3000, 2000), "JPEG"))
    assert (big.width_px, big.height_px) == (3000, 2000)
    assert reopened(big.rendition).size == (512, 341)
    assert reopened(big.thumbnail).size == (256, 170)
    small = decode(encode(corners(100, 60)))
    assert reopened(small.rendition).size == (100, 60)
    assert small.thumbnail is small.rendition


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 10_000), (20_000, 2), (32_768, 1), (3, 5)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_tiny_pictures_and_strips_are_pictures(size: tuple[int, int], kind: str) -> None:
    picture = decode(encode(Image.new("RGB", size, (200, 10, 10)), kind))
    assert (picture.width_px, picture.height_px) == size
    assert np.abs(picture.pixels.astype(int) - (200, 10, 10)).max() <= 4
    assert max(reopened(picture.rendition).size) == min(512, max(size))


def test_nothing_of_the_original_file_but_its_pixels_is_kept() -> None:
    tags = exif(1)
    tags[0x8825] = {1: "N", 2: (48.0, 51.0, 30.0)}
    tags[0x010E] = "<script>"
    data = encode(corners(), "JPEG", exif=tags, comment=b"<script>", icc_profile=b"<script>" * 9, xmp=b"<script>") + b"<script>"
    assert data.count(b"<script>") > 10
    picture = decode(data)
    for copy in (picture.rendition, picture.thumbnail):
        assert b"<script>" not in copy
        image = reopened(copy)
        assert not image.getexif()
        assert not {"comment", "icc_profile", "exif", "xmp"} & set(image.info)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_that_declares(width: int, height: int) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("width", "height"), [(60_000, 60_000), (9_400, 9_400), (40_000_001, 1), (32_769, 100), (2**31 - 1, 2**31 - 1)]
)
def test_a_declared_size_beyond_the_limit_is_refused_before_decoding(width: int, height: int) -> None:
    assert code_of(png_that_declares(width, height)) == "image_too_large"


def test_the_declared_size_is_checked_even_when_pillows_own_guard_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(PictureError, match="9400 x 9400") as error:
        decode_parts(png_that_declares(9_400, 9_400), limits=LIMITS, square_px=8)
    assert error.value.code == "image_too_large"


def test_only_the_decoder_that_the_first_bytes_name_sees_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    opened, real = [], Image.open

    def spy(file: Any, formats: Any = None) -> Image.Image:
        opened.append(formats)
        return real(file, formats=formats)

    monkeypatch.setattr(Image, "open", spy)
    for name in ("PNG", "JPEG of a phone with two pictures", "WebP", "BMP"):
        decode(REAL[name])
    assert opened == [("PNG",), ("JPEG",), ("WEBP",), ("BMP",)]


def test_limits_are_limits_to_the_pixel_and_the_byte() -> None:
    data = encode(corners(100, 50))
    assert decode(data, max_pixels=5_000, max_side_px=100, max_bytes=len(data))
    assert code_of(data, max_pixels=4_999) == "image_too_large"
    assert code_of(data, max_side_px=99) == "image_too_large"
    assert code_of(data, max_bytes=len(data) - 1) == "too_large"
    assert Image.MAX_IMAGE_PIXELS == 89_478_485  # the program's own is as it was


def test_a_jpeg_of_too_many_passes_is_refused_unopened() -> None:
    data = encode(corners(), "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    assert code_of(data[:-2] + scan * 100 + data[-2:]) == "timeout"
    assert decode(data[:-2] + scan * 80 + data[-2:])


@pytest.mark.parametrize("name", ["baseline JPEG", "progressive JPEG", "PNG", "GIF", "BMP", "WebP"])
@pytest.mark.parametrize("part", [0.2, 0.5, 0.9])
def test_a_truncated_picture_is_never_half_a_picture(name: str, part: float) -> None:
    data = REAL[name]
    assert code_of(data[: int(len(data) * part)]) == "image_corrupt"


@pytest.mark.parametrize("data", [b"", b"hello", b"<svg>", b"II*\0", b"\0\0\0\x18ftypmp42"])
def test_what_is_no_picture_never_reaches_a_decoder(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("opened"))
    assert code_of(data) in ("empty_file", "not_an_image", "unsupported_format")


def test_a_square_of_the_right_size_is_passed_on_untouched() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    assert (decode(encode(Image.fromarray(noise))).pixels == noise).all()


def test_reading_at_a_smaller_scale_shows_the_same_picture() -> None:
    """JPEG draft mode against a plain copy: everything decoded, then averaged."""
    rng = np.random.default_rng(2)
    coarse = Image.fromarray(rng.integers(0, 256, (20, 20, 3), np.uint8)).resize((1600, 1600), Image.Resampling.BICUBIC)
    data = encode(coarse, "JPEG", quality=95)
    plain = np.asarray(reopened(data)).astype(float).reshape(64, 25, 64, 25, 3).mean(axis=(1, 3))
    assert np.abs(decode(data).pixels - plain).mean() < 6


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(REAL)), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=20))
def test_damaged_bytes_end_as_a_picture_or_as_one_error(name: str, damage: list[tuple[float, int]]) -> None:
    data = bytearray(REAL[name])
    for place, value in damage:
        data[int(place * (len(data) - 1))] = value
    try:
        picture = decode(bytes(data), max_pixels=1_000_000)
    except PictureError:
        return
    assert picture.pixels.shape == (64, 64, 3)


def as_rgb(image: Image.Image, need: float = 1.0) -> Image.Image:
    return on_white(shrink(with_colours(image), need))


def test_what_shows_through_is_white_and_half_of_it_is_half() -> None:
    image = Image.new("RGBA", (3, 1), (255, 0, 255, 0))
    image.putpixel((1, 0), (0, 0, 0, 128))
    image.putpixel((2, 0), (10, 20, 30, 255))
    assert [as_rgb(image).getpixel((x, 0)) for x in range(3)] == [(255, 255, 255), (127, 127, 127), (10, 20, 30)]
    assert as_rgb(Image.new("LA", (1, 1), (0, 0))).getpixel((0, 0)) == (255, 255, 255)


def test_hidden_colours_do_not_bleed_into_what_is_averaged() -> None:
    image = Image.new("RGBA", (64, 64), (255, 0, 255, 0))
    image.paste((0, 0, 0, 255), (0, 0, 31, 64))
    small = square(as_rgb(image, need=0.1), 8)
    assert int(np.ptp(np.asarray(small).astype(int), axis=2).max()) == 0  # grey all over: no magenta


@pytest.mark.parametrize("need", [1.0, 0.1])
def test_sixteen_bits_of_grey_are_scaled_and_not_clipped(need: float) -> None:
    ramp = np.repeat(np.linspace(0, 65_535, 256).round().astype(np.uint16)[None], 8, axis=0).repeat(8, axis=1)
    for image in (Image.fromarray(ramp), Image.fromarray(ramp.astype(np.int32))):
        got = np.asarray(as_rgb(image, need).resize((256, 1), Image.Resampling.BOX))[0, :, 0].astype(int)
        assert np.abs(got - np.arange(256)).max() <= (1 if need == 1.0 else 2)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "PA", "LA"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    for need in (1.0, 0.05):
        assert as_rgb(Image.new(mode, (40, 30)), need).mode == "RGB"


def test_shrinking_leaves_twice_the_need_and_averages() -> None:
    assert shrink(corners(), 0.5).size == (240, 160)
    assert shrink(corners(), 0.26).size == (240, 160)
    assert shrink(corners(), 0.1).size == (48, 32)
    checks = Image.fromarray((np.indices((100, 100)).sum(axis=0) % 2 * 255).astype(np.uint8))
    assert set(np.asarray(shrink(checks, 0.25)).ravel().tolist()) <= {127, 128}


def plain_weights(size: int, low: float, high: float, side: int) -> np.ndarray:
    """Slow plain copy of an antialiased bilinear filter over one axis: a triangle as wide as two output pixels."""
    weights = np.zeros((side, size))
    scale = (high - low) / side
    reach = max(scale, 1.0)
    for place in range(side):
        centre = low + (place + 0.5) * scale
        for pixel in range(size):
            weights[place, pixel] = max(0.0, 1 - abs(pixel + 0.5 - centre) / reach)
        weights[place] /= weights[place].sum()
    return weights


@pytest.mark.parametrize("size", [(240, 160), (160, 240), (101, 50), (8, 8), (1, 300), (300, 1), (1, 1)])
@pytest.mark.parametrize("side", [8, 64])
def test_the_square_is_the_middle_of_the_picture_averaged(size: tuple[int, int], side: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    got = np.asarray(square(Image.fromarray(noise), side)).astype(float)
    ends = [((length - min(size)) / 2, (length + min(size)) / 2) for length in size]
    across, down = (plain_weights(length, *end, side) for length, end in zip(size, ends, strict=True))
    plain = np.einsum("yj,jic,xi->yxc", down, noise.astype(float), across, optimize=True)
    assert np.abs(got - plain).max() <= 1.5  # the filter rounds twice


def test_fitting_keeps_the_shape_and_never_enlarges() -> None:
    image = corners()
    assert fitted(image, 240) is image
    assert fitted(image, 512) is image
    assert fitted(image, 120).size == (120, 80)
    assert fitted(Image.new("RGB", (20_000, 2)), 256).size == (256, 1)
    assert fitted(Image.new("RGB", (1, 10_000)), 256).size == (1, 256)


def test_a_jpeg_is_a_jpeg() -> None:
    data = jpeg(corners())
    assert data[:3] == b"\xff\xd8\xff"
    assert data[-2:] == b"\xff\xd9"


BASELINE = encode(corners(), "JPEG")
PROGRESSIVE = encode(corners(), "JPEG", progressive=True)


def last_scan(jpeg: bytes) -> bytes:
    return jpeg[jpeg.rindex(b"\xff\xda") : -2]


def test_the_passes_of_real_files_are_counted() -> None:
    assert count_scans(BASELINE, most=0) == 1
    assert count_scans(PROGRESSIVE, most=0) == PROGRESSIVE.count(b"\xff\xda") == 10
    assert count_scans(b"\xff\xd8\xff", most=0) == 0


def test_repeated_passes_are_counted_one_by_one() -> None:
    assert count_scans(PROGRESSIVE[:-2] + last_scan(PROGRESSIVE) * 200 + PROGRESSIVE[-2:], most=100) == 210


def test_thumbnails_comments_and_trailing_bytes_do_not_count() -> None:
    hidden = b"\xff\xda" * 300
    comment = b"\xff\xfe" + (len(hidden) + 2).to_bytes(2, "big") + hidden
    behind = b"\0\2" + b"\xff\xda\0\2" * 300
    assert count_scans(BASELINE[:2] + comment + BASELINE[2:] + behind, most=100) == 1


def test_a_harmless_file_is_settled_by_the_quick_bound() -> None:
    assert count_scans(BASELINE + b"\xff\xda" * 5, most=100) == 6
