"""Normalise untrusted text before anything else uses it."""

import re
import unicodedata
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from crossmodal.errors import QueryError

FUNCTION_WORDS = frozenset({"a", "an", "and", "are", "as", "at", "by", "for", "from", "in", "is", "it", "of", "on", "or"})
FUNCTION_WORDS |= {"that", "the", "this", "to", "with"}
"""Words ignored when titles are compared. Short on purpose: longer lists drop words that people search for ("man", "small")."""

_LONGEST_WORD = 64


def plain_text(text: str) -> str:
    """Return one line of visible text in NFKC form; control, format and surrogate characters become spaces.

    This covers bidirectional overrides and zero-width characters, so text can neither hide nor reorder what is displayed.
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    visible = (" " if unicodedata.category(ch) in _INVISIBLE and ch not in _JOINERS else ch for ch in text)
    return " ".join(unicodedata.normalize("NFKC", "".join(visible)).split())


_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS = frozenset("\u200d\u200c")  # part of the spelling in emoji sequences and Persian words
_BLANK = frozenset("\u115f\u1160\u2800")  # letters and symbols without a visible glyph


def words(text: str) -> list[str]:
    r"""Return the words of a text in reading order, case folded; if there are none (emoji, punctuation), its visible characters.

    A word consists of letters, digits and combining marks. (`\w` in regular expressions excludes marks, which would split Hindi or Thai
    words at every vowel sign.) An empty or invisible text gives an empty list.
    """
    folded = unicodedata.normalize("NFKC", plain_text(text).casefold())
    if folded.isascii():
        joined = folded.translate(_ASCII_GAPS)
    else:
        joined = "".join(ch if _in_word(ch) else " " for ch in folded if ch not in _JOINERS)
    spelt = [word for word in joined.split() if any(map(str.isalnum, word))]
    return [word[:_LONGEST_WORD] for word in spelt or [ch for ch in folded if _is_visible(ch)]]


def _in_word(ch: str) -> bool:
    return (ch.isalnum() and ch not in _BLANK) or ch == "_" or unicodedata.category(ch)[0] == "M"


_ASCII_GAPS = {code: " " for code in range(128) if not _in_word(chr(code))}


def _is_visible(ch: str) -> bool:
    return not ch.isspace() and ch not in _JOINERS and ch not in _BLANK and unicodedata.category(ch)[0] != "M"


def title_key(title: str) -> frozenset[str]:
    """The content words of a title, independent of order: titles with equal keys describe the same thing."""
    found = words(title)
    return frozenset(word for word in found if word not in FUNCTION_WORDS) or frozenset(found)


def clean_query(query: str, *, max_chars: int) -> str:
    """Validate and normalise a text query.

    Raises:
        QueryError: `text_too_long` above `max_chars` characters, `text_empty` if nothing visible remains, `bad_request` if it is not
            a string.
    """
    if not isinstance(query, str):
        raise QueryError("bad_request", f"A query is text, not {type(query).__name__}.", remedy="Type what you look for.")
    if len(query) > max_chars:
        raise QueryError(
            "text_too_long",
            f"The query has {len(query):,} characters; at most {max_chars:,} are allowed.",
            remedy="Describe the picture in a sentence.",
        )
    cleaned = plain_text(query)
    if not words(cleaned):
        raise QueryError("text_empty", "The query is empty.", remedy="Type what you look for, such as a colour and a thing.")
    return cleaned


def display_text(text: str, *, max_chars: int) -> str:
    """Return one line for display, without control, bidirectional and surrogate characters, cut at `max_chars`."""
    visible = "".join(" " if unicodedata.category(ch) in _INVISIBLE and ch not in _JOINERS else ch for ch in text[: 4 * max_chars])
    tidy = " ".join(visible.split())
    return tidy if len(tidy) <= max_chars else tidy[: max_chars - 1].rstrip() + "…"


def counted(n: int, noun: str, *, many: str = "") -> str:
    """Format `n` with thousands separators and the noun in singular or plural.

    Args:
        many: the plural; by default the noun with an "s".
    """
    return f"{n:,} {noun if n == 1 else many or noun + 's'}"


def were(n: int) -> str:
    """ "was" for 1, else "were"."""
    return "was" if n == 1 else "were"


_CAMERA_NAME = re.compile(r"(?:(?:img|dsc[nf]?|pxl|mvimg|pict|sam|gopr|p)[-_ ]?)?\d[\d_-]*", re.IGNORECASE)


def one_line(text: str) -> str:
    """`text` with runs of white space collapsed; empty if nothing in it is visible (spaces, zero-width marks)."""
    line = " ".join(text.split())
    return line if line.isprintable() or any(letter.isprintable() and letter != " " for letter in line) else ""


def title_from_location(location: str) -> str:
    """Derive a readable title from the last part of a path or URL.

    "photos/red_mug-2.jpg" gives "red mug 2"; a camera's file name, "IMG_1234.jpg", gives "IMG_1234".
    """
    path = _path_of(location)
    stem = PurePosixPath(path.replace("\\", "/")).stem
    if _CAMERA_NAME.fullmatch(stem):
        return stem
    return one_line(re.sub(r"[_\-]+", " ", stem)) or one_line(stem) or one_line(location)


def _path_of(location: str) -> str:
    if not location.lower().startswith(("http://", "https://")):
        return location
    try:
        return unquote(urlsplit(location).path)
    except ValueError:
        return location
