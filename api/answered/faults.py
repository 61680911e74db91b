"""What a validation found, in plain words: the library's own name its classes and the steps of its work."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from api.answered.errors import bad_request
from crossmodal.errors import QueryError

_WORDS = {
    "string_type": "must be a text",
    "string_too_short": "must have at least {least}",
    "string_too_long": "must have at most {most}",
    "string_pattern_mismatch": "must look like {pattern}",
    "string_unicode": "must be a text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "is too large a number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "greater_than_equal": "must be at least {ge:,}",
    "less_than_equal": "must be at most {le:,}",
    "too_short": "must have at least {least}",
    "too_long": "must have at most {most}",
    "list_type": "must be a list",
    "dict_type": "must be a table of names and values",
    "model_type": "must be a table of names and values",
    "model_attributes_type": "must be a table of names and values",
    "extra_forbidden": "is not a field that is read here",
    "literal_error": "must be {expected}",
    "value_error": "{error}",
}
_SHOWN_CHARS = 60


def invalid(faults: Iterable[Mapping[str, Any]], what: str = "The body") -> QueryError:
    """One sentence for the first of a validation's faults, with its field and value. A place in a list counts from 0.

    Args:
        what: stands for the whole, where no field of it is at fault.
    """
    fault = next(iter(faults))
    field, words = _field_of(fault["loc"]), _words_of(fault)
    if fault["type"] == "missing":
        return bad_request(f"The field {field:.60} is missing.")
    if not field:
        return bad_request(f"{what} {words}.")
    if fault["type"] == "extra_forbidden":
        return bad_request(f"{field:.60}: {words}.")
    value = json.dumps(fault.get("input"), default=lambda _: "...", ensure_ascii=True)
    shown = value if len(value) <= _SHOWN_CHARS else f"{value[:_SHOWN_CHARS]}…"
    return bad_request(f"{field:.60}: {words}, not {shown}.")


def _field_of(place: Sequence[object]) -> str:
    if place[-1:] == ("[key]",):
        return f"A name in {_field_of(place[:-2])}"
    return ".".join(str(part) for part in place)


def _words_of(fault: Mapping[str, Any]) -> str:
    kind, bounds = fault["type"], dict(fault.get("ctx", {}))
    of = "character" if kind.startswith("string_") else "entry"
    least, most = (_counted(bounds.get(name, 0), of) for name in ("min_length", "max_length"))
    return _WORDS.get(kind, "cannot be read").format(**bounds, least=least, most=most)


def _counted(number: int, of: str) -> str:
    return f"one {of}" if number == 1 else f"{number:,} {of.removesuffix('y') + 'ie' if of.endswith('y') else of}s"
