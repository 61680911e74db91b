"""Data is shown as it is: made harmless for the eye by `clean`, and for places that read Markdown by `literal`.

`st.text`, `st.code`, alt texts and input fields show their text as it stands, so `clean` is enough for them. Labels, tooltips, alerts
and captions are Markdown, extended by Streamlit with colours, icons, shortcodes, formulas, arrows and links.
"""

import re
import unicodedata

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
