"""JSON that strangers send, read within bounds: a few MB of it must not hold up the interpreter, nor come out as errors by the thousand."""

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
    """What the JSON says, named `what` in messages.

    Surrogates that stand alone, which JSON can bring, become the control character that stands for what cannot be read: a text shows
    nothing there, an address with it is refused.

    Raises:
        QueryError: `bad_request`, it is no JSON, or has more values, fields or depth than any question.
    """
    # Reading is one call that nothing interrupts: its time grows with the values, of which no text has more than these signs.
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
