"""Format numbers and texts for display."""

import re
import time
import unicodedata
from pathlib import Path


def count(number: int, one: str, many: str | None = None) -> str:
    """`count(1, "picture")` is `1 picture`, `count(1200, "picture")` is `1,200 pictures`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """A duration in a readable unit: `12 ms`, `1.4 s`, `31 s`, `4 min`, `2 h 5 min`."""
    if seconds < 0.9995:
        return f"{max(1, round(seconds * 1000))} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{round(seconds)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def left(seconds: float) -> str:
    """Remaining time, rounded as an estimate: `a few seconds left`, `about 40 s left`, `about 3 min left`."""
    if seconds < 5:
        return "a few seconds left"
    if seconds < 90:
        return f"about {5 * round(seconds / 5)} s left"
    return f"about {duration(seconds)} left"


def of_a_hundred(share: float) -> str:
    """A share in [0, 1] as a number out of 100: `97`, `0.1`; `100` only for exactly 1."""
    hundred = share * 100
    if 0 < hundred < 1:
        return f"{hundred:.1g}" if hundred < 0.95 else "1"
    return str(round(hundred)) if hundred <= 99 or share >= 1 else "99"


def score(cosine: float) -> str:
    """A score with two decimals, a real minus sign, and no minus before zero."""
    return f"{round(cosine, 2) + 0.0:.2f}".replace("-", "−")


def date(seconds_since_1970: float) -> str:
    """Unix time as local date and time."""
    return time.strftime("%d %B %Y, %H:%M", time.localtime(seconds_since_1970)).lstrip("0")


def place(folder: Path) -> str:
    """A folder's path, abbreviated to `~/…` inside the home folder."""
    try:
        return str(Path("~") / folder.relative_to(Path.home()))
    except ValueError:
        return str(folder)


def size(width_px: int, height_px: int) -> str:
    """Width by height of a picture."""
    return f"{width_px:,} × {height_px:,} pixels"


ELLIPSIS = "…"
_JOINER = "\u2060"  # WORD JOINER: no width, no line break
_INVISIBLE = re.compile("[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]")
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
# Streamlit parses these after Markdown's escapes are resolved, so a backslash does not disable them.
_READ_AGAIN = re.compile(r"(\\:|\\@|(?<!\w)www(?=\\\.))", re.IGNORECASE)
_ARROWS = re.compile(r"(?<!\S)(\\[-<>~])(?=\\[-=>](?:\\>)?(?!\S))")


def clean(text: str) -> str:
    """One line without control characters, bidirectional controls and lone surrogates.

    Letters of every script, accents, and joiners inside emoji are kept.
    """
    text = text.encode("utf-8", "replace").decode("utf-8")
    text = _INVISIBLE.sub("", text)
    text = "".join(" " if unicodedata.category(sign) in ("Cc", "Zl", "Zp") else sign for sign in text)
    return " ".join(text.split())


def literal(text: str) -> str:
    """Escape `text` for a widget that renders Markdown, so that it is displayed literally.

    Every ASCII punctuation mark gets a backslash; patterns that Streamlit replaces afterwards (`:red[`, `:smile:`, `www.`, `a@b`, ` -> `)
    are interrupted by an invisible word joiner.
    """
    escaped = _PUNCTUATION.sub(r"\\\1", clean(text))
    escaped = _READ_AGAIN.sub(lambda found: found[1] + _JOINER, escaped)
    return _ARROWS.sub(lambda found: found[1] + _JOINER, escaped)


def shorten(text: str, length: int) -> str:
    """Clean `text` and cut it to at most `length` characters, with an ellipsis."""
    text = clean(text)
    return text if len(text) <= length else text[: length - 1].rstrip() + ELLIPSIS
