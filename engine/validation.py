"""Validation of queries and additions."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crossmodal.errors import QueryError
from crossmodal.filters import CATALOGUE
from crossmodal.text.cleaning import display_text


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of queries and additions."""

    max_query_chars: int
    max_top_k: int
    max_image_bytes: int
    max_title_chars: int = 500
    max_queries: int = 256
    max_offset: int = 10_000
    max_captions: int = 20
    max_attributes: int = 100


def top_k_of(limits: Limits, top_k: int) -> int:
    """Validate a number of results. Raises QueryError `bad_request` outside 1 to `max_top_k`."""
    return whole_number_of(top_k, "The number of results", 1, limits.max_top_k, remedy="Request 5, for instance.")


def texts_of(texts: Sequence[str]) -> Sequence[str]:
    """Validate a list of text queries. Raises QueryError `bad_request` for anything else, such as a single text."""
    if isinstance(texts, str | bytes) or not isinstance(texts, Sequence):
        raise QueryError("bad_request", f"Queries are a list of texts, not {texts!r:.60}.", remedy="Pass a list.")
    return texts


def title_of(limits: Limits, title: str | None) -> str:
    """Clean a title to one line and cut it if too long. Raises QueryError `bad_request` if it is not a string."""
    if title is not None and not isinstance(title, str):
        raise QueryError("bad_request", f"A title is a text, not {title!r:.60}.", remedy="Give a text, or none.")
    return display_text(title or "", max_chars=limits.max_title_chars)


def captions_of(limits: Limits, captions: Sequence[str]) -> tuple[str, ...]:
    """Clean captions: one line each, without empty ones. Raises QueryError `bad_request` for wrong types or too many captions."""
    if (
        isinstance(captions, str | bytes)
        or not isinstance(captions, Sequence)
        or not all(isinstance(text, str) for text in captions)
    ):
        raise QueryError("bad_request", f"Captions are a list of texts, not {captions!r:.60}.", remedy="Give a list of texts.")
    if len(captions) > limits.max_captions:
        what = f"An item takes {limits.max_captions} captions, not {len(captions):,}."
        raise QueryError("bad_request", what, remedy="Leave some out.")
    return tuple(text for text in (display_text(each, max_chars=limits.max_title_chars) for each in captions) if text)


def attributes_of(limits: Limits, attributes: Mapping[str, str]) -> dict[str, str]:
    """Clean attributes.

    Raises:
        QueryError: `bad_request`: names or values that are not strings, too many or too long ones, or a reserved name.
    """
    if not isinstance(attributes, Mapping) or not all(isinstance(text, str) for pair in attributes.items() for text in pair):
        raise QueryError("bad_request", f"Attributes are texts by name, not {attributes!r:.60}.", remedy='Give {"colour": "red"}.')
    if len(attributes) > limits.max_attributes:
        what = f"An item takes {limits.max_attributes} attributes, not {len(attributes):,}."
        raise QueryError("bad_request", what, remedy="Leave some out.")
    if CATALOGUE in attributes:
        what = f'No attribute can be named "{CATALOGUE}": in a filter it means the source of an item.'
        raise QueryError("bad_request", what, remedy="Choose another name.")
    for name, value in attributes.items():
        if not name or max(len(name), len(value)) > limits.max_query_chars:
            what = f"The attribute {name!r:.60} has no name, or more than {limits.max_query_chars:,} characters."
            raise QueryError("bad_request", what, remedy="Shorten it.")
    return dict(attributes)


def whole_number_of(value: int, what: str, least: int, most: int, *, remedy: str = "Change it.") -> int:
    """Validate an integer. Raises QueryError `bad_request` with `what` as subject outside `least` to `most`."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise QueryError("bad_request", f"{what} must be a whole number from {least} to {most}, not {value!r:.40}.", remedy=remedy)
    return value


def number_of(value: float, what: str, least: float, most: float) -> float:
    """Validate a number. Raises QueryError `bad_request` with `what` as subject outside `least` to `most`."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not least <= value <= most:
        raise QueryError(
            "bad_request", f"{what} must be a number from {least:g} to {most:g}, not {value!r:.40}.", remedy="Change it."
        )
    return float(value)
