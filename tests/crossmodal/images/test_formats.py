import pytest

from crossmodal.errors import PictureError
from crossmodal.images import formats as module
from crossmodal.images.formats import sniff


def box(*brands: bytes) -> bytes:
    """The first box of an ISO media file."""
    body = b"ftyp" + brands[0] + b"\0\0\0\0" + b"".join(brands[1:])
    return (len(body) + 4).to_bytes(4, "big") + body + b"\0" * 100


def refusal(data: bytes) -> tuple[str, str]:
    with pytest.raises(PictureError) as error:
        sniff(data)
    assert error.value.remedy
    return error.value.code, str(error.value)


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"GIF87a", "GIF"),
        (b"GIF89a", "GIF"),
        (b"RIFF\n\0\0\0WEBPVP8 ", "WEBP"),
        (b"BM\0\0", "BMP"),
        (box(b"avif", b"mif1"), "AVIF"),
        (box(b"mif1", b"miaf", b"avif"), "AVIF"),
    ],
)
def test_a_picture_is_known_by_its_first_bytes(start: bytes, kind: str) -> None:
    assert sniff(start + b"\0" * 50) == kind


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", "SVG"),
        (b"\xef\xbb\xbf<svg>"[3:], "SVG"),
        (b" \n<?xml version='1.0'?>\n<!-- made by hand --><svg>", "SVG"),
        (b"<!DOCTYPE s [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><svg >", "SVG"),
        (b"II*\0\x08", "TIFF"),
        (b"MM\0*", "TIFF"),
        (b"8BPS\0\1", "Photoshop"),
        (b"%!PS-Adobe-3.0 EPSF", "PostScript"),
        (b"\0\0\1\0\1\0", "icon"),
        (b"P6 1 1 255\n", "PNM"),
        (b"\0\0\0\x0cjP  \r\n", "JPEG 2000"),
        (b"\xff\x0a\xff", "JPEG XL"),
    ],
)
def test_pictures_of_other_kinds_are_refused_by_name(start: bytes, words: str) -> None:
    code, message = refusal(start + b"\0" * 50)
    assert code == "unsupported_format"
    assert words in message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
        (b"<!doctype html><script>alert(1)</script><svg></svg>", "web page"),
        (b"<html><svg>", "web page"),
        (b"%PDF-1.4\n\xff\xd8\xff", "PDF"),
        (b"PK\3\4", "ZIP"),
        (b"\x1f\x8b\x08", "compressed"),
        (box(b"mp42", b"isom"), "video"),
        (b'{"error": "no"}', "text"),
        (b"\x7fELF\0", "not a picture"),
        (b"\xff", "not a picture"),
        (b"BA", "text"),
    ],
)
def test_what_is_no_picture_is_called_what_it_is(data: bytes, words: str) -> None:
    code, message = refusal(data)
    assert code == "not_an_image"
    assert words in message


def test_an_empty_file_is_called_empty() -> None:
    assert refusal(b"")[0] == "empty_file"


@pytest.mark.parametrize(("data", "name"), [(box(b"heic", b"mif1"), "HEIC"), (box(b"avif"), "AVIF")])
def test_an_optional_kind_is_named_when_its_decoder_is_missing(monkeypatch: pytest.MonkeyPatch, data: bytes, name: str) -> None:
    monkeypatch.setattr(module, "has_decoder", lambda _: False)
    code, message = refusal(data)
    assert code == "unsupported_format"
    assert f"{name} is not supported" in message


def test_an_optional_kind_is_read_when_its_decoder_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "has_decoder", lambda _: True)
    assert sniff(box(b"heic", b"mif1")) == "HEIF"
    assert sniff(box(b"mif1", b"heix")) == "HEIF"
