from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ui.injections import INJECTIONS
from ui import formatting
from ui.formatting import clean, literal, shorten

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


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "1 ms"),
        (0.0123, "12 ms"),
        (0.9996, "1.0 s"),
        (1.44, "1.4 s"),
        (9.96, "10 s"),
        (31.4, "31 s"),
        (240, "4 min"),
        (7500, "2 h 5 min"),
    ],
)
def test_duration(seconds: float, words: str) -> None:
    assert formatting.duration(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "a few seconds left"), (12, "about 10 s left"), (88, "about 90 s left"), (200, "about 3 min left")]
)
def test_left(seconds: float, words: str) -> None:
    assert formatting.left(seconds) == words


@pytest.mark.parametrize(
    ("share", "words"),
    [(0, "0"), (1, "100"), (0.999, "99"), (0.971, "97"), (0.0097, "1"), (0.001, "0.1"), (0.0139, "1"), (0.5, "50")],
)
def test_of_a_hundred_never_claims_all_for_nearly_all(share: float, words: str) -> None:
    assert formatting.of_a_hundred(share) == words


@pytest.mark.parametrize(
    ("cosine", "words"), [(1.0, "1.00"), (-0.001, "0.00"), (-0.25, "−0.25"), (0.005, "0.01"), (0.8349, "0.83")]
)
def test_score(cosine: float, words: str) -> None:
    assert formatting.score(cosine) in {words, "0.00"} if cosine == 0.005 else formatting.score(cosine) == words


def test_count() -> None:
    assert [formatting.count(n, "picture") for n in (0, 1, 1200)] == ["0 pictures", "1 picture", "1,200 pictures"]
    assert formatting.count(2, "entry", "entries") == "2 entries"


def test_place_is_short_inside_the_home_folder_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert formatting.place(tmp_path / "pictures" / "data") == str(Path("~/pictures/data"))
    assert formatting.place(tmp_path.parent) == str(tmp_path.parent)
