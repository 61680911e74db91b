"""Numbers as a person reads them, with their units."""

import re
import time
import unicodedata
from pathlib import Path


def count(number: int, one: str, many: str | None = None) -> str:
    """`count(1, "picture")` is `1 picture`, `count(1200, "picture")` is `1,200 pictures`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """A length of time, in the unit a person would choose: `12 ms`, `1.4 s`, `31 s`, `4 min`, `2 h 5 min`."""
    if seconds < 0.9995:
        return f"{max(1, round(seconds * 1000))} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{round(seconds)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def left(seconds: float) -> str:
    """How long still, never more exact than an estimate can be: `a few seconds left`, `about 40 s left`, `about 3 min left`."""
    if seconds < 5:
        return "a few seconds left"
    if seconds < 90:
        return f"about {5 * round(seconds / 5)} s left"
    return f"about {duration(seconds)} left"


def of_a_hundred(share: float) -> str:
    """A share as how many of a hundred: `97`, `0.1`, `100` only when it is all of them."""
    hundred = share * 100
    if 0 < hundred < 1:
        return f"{hundred:.1g}" if hundred < 0.95 else "1"
    return str(round(hundred)) if hundred <= 99 or share >= 1 else "99"


def score(cosine: float) -> str:
    """A score with two decimals, a real minus sign, and no minus before zero."""
    return f"{round(cosine, 2) + 0.0:.2f}".replace("-", "−")


def date(seconds_since_1970: float) -> str:
    """A day and minute of this computer's clock."""
    return time.strftime("%d %B %Y, %H:%M", time.localtime(seconds_since_1970)).lstrip("0")


def place(folder: Path) -> str:
    """Where a folder lies, short: from the home folder on as `~/…` when it is in there."""
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
# These are read again after Markdown's own escapes are resolved, so a backslash does not stop them.
_READ_AGAIN = re.compile(r"(\\:|\\@|(?<!\w)www(?=\\\.))", re.IGNORECASE)
_ARROWS = re.compile(r"(?<!\S)(\\[-<>~])(?=\\[-=>](?:\\>)?(?!\S))")


def clean(text: str) -> str:
    """One line without control characters, without signs that turn the direction of reading, and without half characters.

    Letters of every script, joiners inside emoji and accents stay.
    """
    text = text.encode("utf-8", "replace").decode("utf-8")
    text = _INVISIBLE.sub("", text)
    text = "".join(" " if unicodedata.category(sign) in ("Cc", "Zl", "Zp") else sign for sign in text)
    return " ".join(text.split())


def literal(text: str) -> str:
    """`text` for a place that reads Markdown, so that it is shown letter for letter.

    Every ASCII punctuation mark gets a backslash; what Streamlit looks for after that (`:red[`, `:smile:`, `www.`, `a@b`, ` -> `)
    is interrupted by an invisible word joiner.
    """
    escaped = _PUNCTUATION.sub(r"\\\1", clean(text))
    escaped = _READ_AGAIN.sub(lambda found: found[1] + _JOINER, escaped)
    return _ARROWS.sub(lambda found: found[1] + _JOINER, escaped)


def shorten(text: str, length: int) -> str:
    """`text`, cleaned, in `length` characters at most, with an ellipsis where something was left out."""
    text = clean(text)
    return text if len(text) <= length else text[: length - 1].rstrip() + ELLIPSIS
