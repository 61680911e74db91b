import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ui.injections import INJECTIONS
from ui.literal import clean, literal, shorten

JOINER = "\u2060"


def unescaped(markdown: str) -> str:
    """What CommonMark makes of a line in which every punctuation mark is escaped, read slowly."""
    out, escaped = [], False
    for sign in markdown:
        if sign == "\\" and not escaped:
            escaped = True
        else:
            out.append(sign)
            escaped = False
    return "".join(out)


@pytest.mark.parametrize("text", INJECTIONS)
def test_every_mark_is_escaped_and_nothing_is_lost(text: str) -> None:
    escaped = literal(text)
    assert unescaped(escaped).replace(JOINER, "") == clean(text)
    for position, sign in enumerate(escaped):
        if sign in "*_`[]()<>$#!|~:@&{}":
            assert escaped[position - 1] == "\\"


@pytest.mark.parametrize(
    "text", [":red[x]", ":material/home:", ":smile:", ":streamlit:", "http://evil.test", "www.evil.test", "me@evil.test"]
)
def test_what_is_read_after_the_escapes_is_interrupted(text: str) -> None:
    shown = unescaped(literal(text))
    assert text not in shown
    assert JOINER in shown


@pytest.mark.parametrize("arrow", ["->", "<-", "<->", "--", ">=", "<=", "~="])
def test_arrows_stay_what_they_are(arrow: str) -> None:
    assert f" {arrow} " not in unescaped(literal(f"a {arrow} b"))
    assert arrow not in unescaped(literal(arrow))


def test_clean_takes_out_what_turns_or_hides_text() -> None:
    assert clean("red \u202egpj.exe") == "red gpj.exe"
    assert clean("a\r\nb\tc\x00d\x1b[31m") == "a b c d [31m"
    assert clean("\u200bzero\ufeff width\u2066") == "zero width"
    assert clean("tag\U000e0041\U000e007f") == "tag"
    assert clean("line\u2028sep\u2029") == "line sep"
    assert clean("half \ud800 sign") == "half ? sign"


@pytest.mark.parametrize("text", ["حذاء أحمر", "נעל אדומה", "红色的鞋子", "cafe\u0301", "👩\u200d👩\u200d👧", "🇫🇷", "é", "ﬁ"])
def test_clean_keeps_what_people_write(text: str) -> None:
    assert clean(text) == text


@given(st.text(max_size=200))
def test_any_text_is_one_clean_line(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    assert once.isprintable() or all(sign.isprintable() or sign in " \u200c\u200d\u00a0\u3000" or ord(sign) > 127 for sign in once)
    assert "\n" not in once
    once.encode("utf-8")
    assert unescaped(literal(text)).replace(JOINER, "") == once


@given(st.text(max_size=60), st.integers(2, 40))
def test_shorten_never_exceeds(text: str, length: int) -> None:
    short = shorten(text, length)
    assert len(short) <= length
    if len(clean(text)) <= length:
        assert short == clean(text)
    else:
        assert short.endswith("…")
