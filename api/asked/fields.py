"""Fields that several questions have: their bounds, what they are read from, and what the document says of them."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from api.options import MAX_TOP_K


def _id_text(value: Any) -> Any:
    """Ids are texts that look like numbers: both are understood."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise ValueError("must be a text or a whole number")
    return value


def _several(value: Any) -> Any:
    """One text of a filter stands for a list of one."""
    if not isinstance(value, str | list):
        raise ValueError("must be a text or a list of texts")
    return [value] if isinstance(value, str) else value


_ID_CHARS = 20_000
_VALUE_CHARS = 4_096
_VALUES = 100
_VALUE: dict[str, Any] = {"type": "string", "maxLength": _VALUE_CHARS}

Id = Annotated[
    str,
    Field(max_length=_ID_CHARS),
    BeforeValidator(_id_text),
    WithJsonSchema({"anyOf": [{"type": "string", "maxLength": _ID_CHARS}, {"type": "integer", "minimum": 1}]}),
]
_SENT_CHARS = 200_000
Address = Annotated[  # its real bound is that of `crossmodal.images.addresses`, which says `url_malformed`
    str, Field(max_length=_SENT_CHARS, json_schema_extra={"format": "picture-address", "maxLength": 2_048})
]
OneAddress = Annotated[  # one of many, of which each has its own end
    str,
    Field(
        max_length=_SENT_CHARS,
        description="an address of more than 2,048 characters ends as `url_malformed`",
    ),
]
Query = Annotated[
    str,  # its real bounds are the engine's, which says `text_empty` and `text_too_long`
    Field(json_schema_extra={"format": "search-text", "minLength": 1, "maxLength": 2_000}),
]
WHOLE = BeforeValidator(lambda value: int(value) if isinstance(value, float) and value.is_integer() else value)
"""JSON knows one kind of number: 5.0 is as whole as 5. Comes last in `Annotated`, or the bounds are left out of the document."""
TopK = Annotated[int, Field(ge=1, le=MAX_TOP_K), WHOLE]
Score = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]
Values = Annotated[
    list[Annotated[str, Field(max_length=_VALUE_CHARS)]],
    Field(min_length=1, max_length=_VALUES),
    BeforeValidator(_several),
    WithJsonSchema({"anyOf": [_VALUE, {"type": "array", "items": _VALUE, "minItems": 1, "maxItems": _VALUES}]}),
]
Where = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=200)], Values],
    Field(max_length=20, description='attribute to a value, or to a list of which any will do: `{"colour": ["red", "blue"]}`'),
]
