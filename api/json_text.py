"""Bounded reading of untrusted JSON: a few MB must neither block the interpreter nor produce thousands of errors."""

import json
import re
from typing import Any

from api.errors import bad_request

_MOST_VALUES = 100_000
_DEEPEST = 4
_MOST_FIELDS = 200
_SURROGATE = re.compile("[\ud800-\udfff]")
# As an escape, as UTF-8 of one, or anywhere in UTF-16 and UTF-32, which Python reads too.
_MAY_HOLD_SURROGATES = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]|\x00")


def value_of(text: bytes, what: str) -> Any:
    """Parse JSON; `what` names it in error messages.

    Lone surrogates become U+001A: in a text nothing is shown there, and an address that contains it is refused.

    Raises:
        QueryError: `bad_request`, it is not JSON, or has more values, fields or depth than any request needs.
    """
    # json.loads cannot be interrupted. Its time grows with the number of values, which these characters bound.
    if sum(text.count(sign) for sign in (b",", b":", b"[", b"{")) > _MOST_VALUES:
        raise bad_request(f"{what} has more values than any question.")
    try:
        value = json.loads(text)
    except RecursionError:
        raise bad_request(f"{what} is nested too deeply.") from None
    except ValueError:  # also for text that is no UTF-8, and for numbers of thousands of digits
        raise bad_request(f"{what} is not JSON.") from None
    _check_fields(value, what, _DEEPEST)
    return _sound(value, _DEEPEST) if _MAY_HOLD_SURROGATES.search(text) else value


def _check_fields(value: Any, what: str, depth: int) -> None:
    """Limit the number of unknown fields, since each is reported as a separate error."""
    if isinstance(value, dict):
        if len(value) > _MOST_FIELDS:
            raise bad_request(f"{what} has {len(value):,} fields in one place, more than any question.")
        value = list(value.values())
    if depth and isinstance(value, list):
        for each in value:
            if isinstance(each, dict | list):
                _check_fields(each, what, depth - 1)


def _sound(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else _SURROGATE.sub("\x1a", value)
    if depth and isinstance(value, dict):
        return {_sound(name, 0): _sound(each, depth - 1) for name, each in value.items()}
    if depth and isinstance(value, list):
        return [_sound(each, depth - 1) for each in value]
    return value
