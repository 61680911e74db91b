import pytest

from crossmodal.ingest.sources.base import one_line, shown, title_from_location


@pytest.mark.parametrize(
    ("location", "title"),
    [
        ("red_mug-2.jpg", "red mug 2"),
        ("a/b/Blue Shirt.PNG", "Blue Shirt"),
        ("a\\b\\green__hat.webp", "green hat"),
        ("IMG_1234.jpg", "IMG_1234"),
        ("DSC00012.JPG", "DSC00012"),
        ("PXL_20210101_123456789.jpg", "PXL_20210101_123456789"),
        ("2023-01-02.jpg", "2023-01-02"),
        ("https://x.test/p/old%20chair_1.jpg?size=3&key=secret", "old chair 1"),
        ("https://[broken/lamp.jpg", "lamp"),
        ("---.jpg", "---"),
        (".jpg", ".jpg"),
        ("\u200b.jpg", "\u200b.jpg"),
        ("https://x.test/", "https://x.test/"),
    ],
)
def test_titles_made_from_locations_read_like_titles(location: str, title: str) -> None:
    assert title_from_location(location) == title


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("  a \t b\r\nc ", "a b c"),
        ("", ""),
        ("\u200b", ""),
        ("\u200b \u200e", ""),
        ("\u202eevil", "\u202eevil"),
        ("e\u0301", "e\u0301"),
    ],
)
def test_a_line_without_anything_visible_is_empty(text: str, line: str) -> None:
    assert one_line(text) == line


def test_shown_values_are_short_visible_and_on_one_line() -> None:
    assert shown("a\x1b[31m\u202eb\nc") == '"a [31m b c"'
    assert shown("x" * 1000) == '"' + "x" * 60 + '…"'
    assert shown("abc", most=2) == '"ab…"'
    assert shown("\0" * 1000) == '"…"'
