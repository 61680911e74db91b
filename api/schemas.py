"""Request schemas of the API, read from JSON or from a form."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from api.settings import MAX_OFFSET, MAX_TOP_K


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
    """Convert a single filter value to a list."""
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
Address = Annotated[  # its real bound is that of `crossmodal.images.public_address`, which says `url_malformed`
    str, Field(max_length=_SENT_CHARS, json_schema_extra={"format": "picture-address", "maxLength": 2_048})
]
OneAddress = Annotated[  # one of many, of which each has its own end
    str,
    Field(
        max_length=_SENT_CHARS,
        description="an address of more than 2,048 characters ends as `url_malformed`",
    ),
]
QueryText = Annotated[
    str,  # its real bounds are the engine's, which says `text_empty` and `text_too_long`
    Field(json_schema_extra={"format": "search-text", "minLength": 1, "maxLength": 2_000}),
]
WHOLE = BeforeValidator(lambda value: int(value) if isinstance(value, float) and value.is_integer() else value)
"""JSON knows one kind of number: 5.0 is as whole as 5. Comes last in `Annotated`, or the bounds are left out of the document."""
TopK = Annotated[int, Field(ge=1, le=MAX_TOP_K), WHOLE]
Offset = Annotated[int, Field(ge=0, le=MAX_OFFSET), WHOLE]
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


class Question(BaseModel):
    """Base of all bodies."""

    model_config = ConfigDict(extra="forbid")


class Reference(Question):
    """Bodies of the reference's addresses: fields it does not know are passed over, as there."""

    model_config = ConfigDict(extra="ignore")


class SearchOptions(BaseModel):
    """What every search takes."""

    top_k: TopK = 10
    min_score: Score | None = None
    where: Where | None = None
    collapse_duplicates: Annotated[bool, Field(description="of items with the same picture file only the best is a result")] = True


class PagedSearchOptions(SearchOptions):
    """What a search of one query takes."""

    offset: Annotated[Offset, Field(description="how many of the best results are skipped: pages of results")] = 0
    include_self: Annotated[bool, Field(description="items with the very picture searched with may be results")] = False


class TextSearchRequest(PagedSearchOptions, Reference):
    query: QueryText


class PictureSource(BaseModel):
    """Exactly one picture: an item's, an address, or a file `image` in a form."""

    image_id: Id | None = None
    image_url: Address | None = None


class ImageSearchRequest(PagedSearchOptions, PictureSource, Reference):
    image_index: Annotated[int, Field(ge=0, le=2**53, description="place in the list of all items, from 0"), WHOLE] | None = None


class CaptionRequest(PictureSource, Reference):
    top_k: Annotated[int, Field(ge=1, le=MAX_TOP_K), WHOLE] = 5


class AnySearchRequest(PagedSearchOptions, PictureSource, Question):
    """Text, picture, or both; `weight` is the picture's share when it is both."""

    query: QueryText | None = None
    weight: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.5


class BatchSearchRequest(SearchOptions, Question):
    queries: Annotated[list[QueryText], Field(min_length=1, max_length=256, fail_fast=True)]


class CorrectionRequest(Question):
    query: QueryText


class NewItemRequest(Question):
    """A picture to add, with what is known of it."""

    image_url: Address | None = None
    title: Annotated[str, Field(max_length=2_000)] | None = None
    source: Annotated[str, Field(max_length=4_096, description="where it came from: shown, never opened")] = ""
    captions: Annotated[list[Annotated[str, Field(max_length=2_000)]], Field(max_length=20)] = []
    attributes: Annotated[
        dict[Annotated[str, Field(min_length=1, max_length=200)], Annotated[str, Field(max_length=2_000)]], Field(max_length=100)
    ] = {}


class AddressedItem(NewItemRequest):
    """One of many, which come as addresses."""

    image_url: OneAddress


class NewItemsRequest(Question):
    items: Annotated[
        list[AddressedItem], Field(min_length=1, max_length=200, fail_fast=True)
    ]  # report one error instead of thousands


class ItemChange(Question):
    """What is left out stays as it is."""

    title: Annotated[str, Field(max_length=2_000)] | None = None
    attributes: dict[Annotated[str, Field(min_length=1, max_length=200)], Annotated[str, Field(max_length=2_000)]] | None = Field(
        None, max_length=100
    )


class ImportRequest(Question):
    location: Annotated[str, Field(min_length=1, max_length=4_096, description="a CSV or a folder of this computer")]


class ExportRequest(Question):
    kind: Literal["csv", "parquet", "npy"] = "csv"
    where: Where | None = None
