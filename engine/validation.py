"""What may be asked and added: bounds, and the sentences that say which value lies outside them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crossmodal.errors import QueryError
from crossmodal.store import Conditions, Filter
from crossmodal.store.filters import CATALOGUE, checked
from crossmodal.text.cleaning import clean_query, display_text


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a question and of an addition."""

    max_query_chars: int
    max_top_k: int
    max_image_bytes: int
    max_title_chars: int = 500
    max_queries: int = 256
    max_captions: int = 20
    max_attributes: int = 100


@dataclass(frozen=True, slots=True)
class Terms:
    """Which results count: how many at most, of which items, from which score on."""

    top_k: int
    where: Conditions = ()
    min_score: float | None = None


def terms(limits: Limits, top_k: int, where: Filter | None = None, min_score: float | None = None) -> Terms:
    """The terms of a search, looked over.

    Raises:
        QueryError: `bad_request`, for a number of results outside 1 to `max_top_k`, a score outside -1 to 1, or an impossible filter.
    """
    if isinstance(top_k, bool) or not isinstance(top_k, int) or not 1 <= top_k <= limits.max_top_k:
        raise QueryError(
            "bad_request",
            f"The number of results must be a whole number from 1 to {limits.max_top_k}, not {top_k!r:.40}.",
            remedy="Ask for 5, for instance.",
        )
    least = None if min_score is None else _number(min_score, "The lowest score", -1.0, 1.0)
    return Terms(top_k, checked(where), least)


def weight_of(weight: float) -> float:
    """The share of the picture in a search by both. Raises QueryError `bad_request` outside 0 to 1."""
    return _number(weight, "The weight of the picture", 0.0, 1.0)


def cleaned(limits: Limits, query: str) -> str:
    """A text query as the model reads it. Raises what `clean_query` raises."""
    return clean_query(query, max_chars=limits.max_query_chars)


def cleaned_all(limits: Limits, queries: Sequence[str]) -> list[str]:
    """Many text queries; none is fine.

    Raises:
        QueryError: `bad_request` for what is no list of texts, or too many; and what `clean_query` raises, for the first that is wrong.
    """
    if isinstance(queries, str | bytes) or not isinstance(queries, Sequence):
        raise QueryError("bad_request", f"Queries are a list of texts, not {queries!r:.60}.", remedy="Give a list.")
    if len(queries) > limits.max_queries:
        what = f"{len(queries):,} queries were asked at once; {limits.max_queries} are answered at most."
        raise QueryError("bad_request", what, remedy="Ask in several calls.")
    return [cleaned(limits, query) for query in queries]


def title_of(limits: Limits, title: str | None) -> str:
    """A title on one line, cut where it is too long. Raises QueryError `bad_request` for what is no text."""
    if title is not None and not isinstance(title, str):
        raise QueryError("bad_request", f"A title is a text, not {title!r:.60}.", remedy="Give a text, or none.")
    return display_text(title or "", max_chars=limits.max_title_chars)


def captions_of(limits: Limits, captions: Sequence[str]) -> tuple[str, ...]:
    """Captions as they are kept: one line each, without empty ones. Raises QueryError `bad_request` for other things, or too many."""
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
    """Attributes as they are kept.

    Raises:
        QueryError: `bad_request`, for other things than texts under texts, too many or too long ones, or a name that is taken.
    """
    if not isinstance(attributes, Mapping) or not all(isinstance(text, str) for pair in attributes.items() for text in pair):
        raise QueryError("bad_request", f"Attributes are texts by name, not {attributes!r:.60}.", remedy='Give {"colour": "red"}.')
    if len(attributes) > limits.max_attributes:
        what = f"An item takes {limits.max_attributes} attributes, not {len(attributes):,}."
        raise QueryError("bad_request", what, remedy="Leave some out.")
    if CATALOGUE in attributes:
        what = f'No attribute can be named "{CATALOGUE}": in a filter that is where an item came from.'
        raise QueryError("bad_request", what, remedy="Choose another name.")
    for name, value in attributes.items():
        if not name or max(len(name), len(value)) > limits.max_query_chars:
            what = f"The attribute {name!r:.60} has no name, or more than {limits.max_query_chars:,} characters."
            raise QueryError("bad_request", what, remedy="Shorten it.")
    return dict(attributes)


def _number(value: float, what: str, least: float, most: float) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not least <= value <= most:
        raise QueryError(
            "bad_request", f"{what} must be a number from {least:g} to {most:g}, not {value!r:.40}.", remedy="Change it."
        )
    return float(value)
