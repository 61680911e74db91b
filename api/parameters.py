"""Parameters of an address: what they may be, and that there are no others."""

import json
import re
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request
from pydantic import TypeAdapter, ValidationError

from api.errors import bad_request, invalid
from api.schemas import Where

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


Limit = Annotated[int, Query(ge=1, le=500)]
Cursor = Annotated[str, Query(pattern="^[0-9]{1,18}$", description="`next_cursor` of the page before")]
ItemName = Annotated[str, Path(description="the id of an item, or the name of the file it came from where only one item has it")]
JobId = Annotated[str, Path(description="`job_id` of the job")]
WhereText = Annotated[
    str | None,
    Query(max_length=20_000, description='a filter as JSON, `{"colour": ["red", "blue"]}`', json_schema_extra={"format": "filter"}),
]

_WHERE: TypeAdapter[dict[str, Any]] = TypeAdapter(Where)


def filter_of(text: str | None) -> dict[str, Any] | None:
    """The filter in a parameter, within the same bounds as in a body. Raises QueryError `bad_request`."""
    if text is None:
        return None
    value = value_of(text.encode("utf-8", "surrogatepass"), "The parameter where")
    try:
        return _WHERE.validate_python(value, strict=True)
    except ValidationError as error:
        raise invalid([{**fault, "loc": ("where", *fault["loc"])} for fault in error.errors(include_url=False)]) from None


def _only_known(request: Request) -> None:
    """A parameter that is misspelt, or the first of two, would be passed over, and the answer be one to another question.

    Raises:
        QueryError: `bad_request`.
    """
    known = [field.alias for field in request.scope["route"].dependant.query_params]
    given = [name for name, _ in request.query_params.multi_items()]
    for name in given:
        if name not in known:
            remedy = f"There are {', '.join(known)}." if known else "Nothing is read from behind the question mark here."
            raise bad_request(f"There is no parameter {name!r:.60}.", remedy)
        if given.count(name) > 1:
            raise bad_request(f"The parameter {name!r:.60} comes twice.", "Give it once.")


ONLY_KNOWN = Depends(_only_known)
"""For the routes that are ours; clients of the reference may send what they like."""
