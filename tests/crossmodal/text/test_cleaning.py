"""Text in: whatever comes, one visible line and words that mean the same in every spelling of Unicode."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodal.errors import QueryError
from crossmodal.text.cleaning import (
    FUNCTION_WORDS,
    clean_query,
    display_text,
    one_line,
    plain_text,
    title_from_location,
    title_key,
    words,
)

INVISIBLE = [
    "",
    " ",
    "\n\t\r\n",
    "\u200b\u200b",
    "\u00a0",
    "\ufeff",
    "\x01\x02",
    "\u200d",
    "\ufe0f",
    "\u3164",
    "\u115f",
    "\u2800",
    "\ud800",
]
ANYTHING = st.text(st.characters(), max_size=80)  # lone surrogates included


@given(ANYTHING)
def test_plain_text_is_one_visible_line_and_stays_it(text: str) -> None:
    once = plain_text(text)
    assert plain_text(once) == once
    assert len(once.splitlines()) <= 1
    assert once == once.strip()
    assert not {unicodedata.category(ch) for ch in once} & {"Cc", "Cs", "Zl", "Zp"}
    assert not {ch for ch in once if unicodedata.category(ch) == "Cf"} - {"\u200c", "\u200d"}


@given(ANYTHING)
def test_words_are_words_and_stay_them(text: str) -> None:
    found = words(text)
    assert words(" ".join(found)) == found
    assert all(0 < len(word) <= 64 and not any(map(str.isspace, word)) for word in found)


@given(st.text(st.characters(max_codepoint=127), max_size=60))
def test_ascii_text_takes_the_short_way_to_the_same_words(text: str) -> None:
    short = words(text)
    long = words(f"{text} é")
    assert long[-1] == "é"
    assert long[:-1] == [word for word in short if any(map(str.isalnum, word))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Red striped MUG", ["red", "striped", "mug"]),
        ("shoe's size 42, blue/white", ["shoe", "s", "size", "42", "blue", "white"]),
        ("caf\u00e9 cafe\u0301", ["caf\u00e9", "caf\u00e9"]),
        ("ＲＥＤ　ＳＨＯＥ", ["red", "shoe"]),
        ("\u01f0", ["\u01f0"]),  # case folding takes this letter apart
        ("Straße STRASSE", ["strasse", "strasse"]),
        ("\U0001d42b\U0001d41e\U0001d41d", ["red"]),
        ("हिन्दी कपड़े", ["हिन्दी", "कपड़े"]),  # vowel signs belong to the word
        ("รองเท้าสีแดง", ["รองเท้าสีแดง"]),
        ("می\u200cخواهم", ["میخواهم"]),
        ("red \u202egpj.exe", ["red", "gpj", "exe"]),
        ("red\x00shoe", ["red", "shoe"]),
        ("!?", ["!", "?"]),
        ("❤\ufe0f", ["❤"]),
        ("👩\u200d👧", ["👩", "👧"]),
        ("x" * 100, ["x" * 64]),
    ],
)
def test_words_of(text: str, expected: list[str]) -> None:
    assert words(text) == [unicodedata.normalize("NFKC", word) for word in expected]


def test_titles_of_equal_words_have_one_key() -> None:
    assert title_key("a red mug with stripes") == title_key("Stripes, mug: RED!")
    assert title_key("red mug") != title_key("red cup")
    assert title_key("the of and") == FUNCTION_WORDS & {"the", "of", "and"}  # better than calling them all empty
    assert title_key("") == frozenset()


@given(ANYTHING)
def test_a_query_is_cleaned_or_refused(text: str) -> None:
    if len(text) <= 50 and words(text):
        assert words(clean_query(text, max_chars=50)) == words(text)
        return
    with pytest.raises(QueryError) as caught:
        clean_query(text, max_chars=50)
    assert caught.value.code == ("text_too_long" if len(text) > 50 else "text_empty")
    assert caught.value.remedy


@pytest.mark.parametrize("text", INVISIBLE, ids=ascii)
def test_an_invisible_query_is_empty(text: str) -> None:
    with pytest.raises(QueryError) as caught:
        clean_query(text, max_chars=10)
    assert caught.value.code == "text_empty"


def test_length_is_looked_at_before_any_work() -> None:
    assert clean_query("a" * 10, max_chars=10) == "a" * 10
    with pytest.raises(QueryError, match="11 characters; at most 10 are allowed") as caught:
        clean_query("a" * 11, max_chars=10)
    assert caught.value.code == "text_too_long"


@pytest.mark.parametrize("query", [None, 5, ["a"], b"red"])
def test_what_is_no_text_is_refused(query: object) -> None:
    with pytest.raises(QueryError, match=type(query).__name__) as caught:
        clean_query(query, max_chars=10)
    assert caught.value.code == "bad_request"


@given(ANYTHING, st.integers(1, 30))
def test_displayed_text_is_bounded_and_hides_nothing(text: str, max_chars: int) -> None:
    shown = display_text(text, max_chars=max_chars)
    assert len(shown) <= max_chars
    assert display_text(shown, max_chars=max_chars) == shown
    assert not {unicodedata.category(ch) for ch in shown} & {"Cc", "Cs", "Zl", "Zp"}


def test_displayed_text_is_as_it_was_written() -> None:
    assert display_text("  ½ ﬁne  Straße ", max_chars=50) == "½ ﬁne Straße"
    assert display_text("red striped mug", max_chars=8) == "red str…"


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
