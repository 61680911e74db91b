"""Text as people and files bring it, made safe and comparable before anything else reads it."""

import unicodedata

from crossmodal.errors import QueryError

FUNCTION_WORDS = frozenset({"a", "an", "and", "are", "as", "at", "by", "for", "from", "in", "is", "it", "of", "on", "or"})
FUNCTION_WORDS |= {"that", "the", "this", "to", "with"}
"""Words that carry no content of a title. Kept short on purpose: longer lists drop words people search by ("man", "small")."""

_LONGEST_WORD = 64


def plain_text(text: str) -> str:
    """One line of visible text in Unicode's NFKC form: control, format and surrogate characters become spaces.

    Bidirectional overrides and zero-width characters are format characters, so text cannot hide or reorder what is shown.
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    visible = (" " if unicodedata.category(ch) in _INVISIBLE and ch not in _JOINERS else ch for ch in text)
    return " ".join(unicodedata.normalize("NFKC", "".join(visible)).split())


_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS = frozenset("\u200d\u200c")  # inside emoji families and Persian words they are part of the spelling
_BLANK = frozenset("\u115f\u1160\u2800")  # letters and signs that are drawn as nothing


def words(text: str) -> list[str]:
    """The words of a text in reading order, case folded; where there are none (emoji, punctuation), the visible characters.

    Letters, digits and the marks on them make a word. (A regular expression's word characters leave the marks out, which would cut a word
    of Hindi or Thai at every vowel sign.) An empty or invisible text gives an empty list.
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
    """What a title says, whatever the order it says it in: two titles of one key describe the same thing."""
    found = words(title)
    return frozenset(word for word in found if word not in FUNCTION_WORDS) or frozenset(found)


def clean_query(query: str, *, max_chars: int) -> str:
    """A text query, checked before any work is spent on it.

    Raises:
        QueryError: `text_too_long` above `max_chars` characters, `text_empty` when nothing visible is left, `bad_request` when it is
            no text.
    """
    if not isinstance(query, str):
        raise QueryError("bad_request", f"A query is text, not {type(query).__name__}.", remedy="Type what you look for.")
    if len(query) > max_chars:
        raise QueryError(
            "text_too_long",
            f"The query has {len(query):,} characters; {max_chars:,} are read at most.",
            remedy="Describe the picture in a sentence.",
        )
    cleaned = plain_text(query)
    if not words(cleaned):
        raise QueryError("text_empty", "The query is empty.", remedy="Type what you look for, such as a colour and a thing.")
    return cleaned


def display_text(text: str, *, max_chars: int) -> str:
    """One line for people to read, as it was written but for control, bidirectional and surrogate characters, cut at `max_chars`."""
    visible = "".join(" " if unicodedata.category(ch) in _INVISIBLE and ch not in _JOINERS else ch for ch in text[: 4 * max_chars])
    tidy = " ".join(visible.split())
    return tidy if len(tidy) <= max_chars else tidy[: max_chars - 1].rstrip() + "…"


def counted(n: int, noun: str, *, many: str = "") -> str:
    """`n` with thousands apart, and the noun in the number that goes with it.

    Args:
        many: the plural, where it is not the noun and an "s".
    """
    return f"{n:,} {noun if n == 1 else many or noun + 's'}"


def were(n: int) -> str:
    """The verb that goes with `n` things."""
    return "was" if n == 1 else "were"
