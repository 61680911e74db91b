"""Bodies of requests."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import Body, UploadFile
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, WithJsonSchema

from api.errors import bad_request
from api.json_text import value_of
from api.settings import MAX_OFFSET, MAX_TOP_K
from engine.query import Signal


def _id_text(value: Any) -> Any:
    """Ids are strings; whole numbers are accepted."""
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
Address = Annotated[  # longer ones are refused by `crossmodal.images.public_address` as `url_malformed`
    str, Field(max_length=_SENT_CHARS, json_schema_extra={"format": "picture-address", "maxLength": 2_048})
]
OneAddress = Annotated[  # one of many, each with its own outcome
    str,
    Field(
        max_length=_SENT_CHARS,
        description="an address of more than 2,048 characters ends as `url_malformed`",
    ),
]
QueryText = Annotated[
    str,  # other lengths are refused by the engine as `text_empty` and `text_too_long`
    Field(json_schema_extra={"format": "search-text", "minLength": 1, "maxLength": 2_000}),
]
WHOLE = BeforeValidator(lambda value: int(value) if isinstance(value, float) and value.is_integer() else value)
"""Accepts 5.0 as 5. Must come last in `Annotated`, or the bounds are missing from the OpenAPI document."""
TopK = Annotated[int, Field(ge=1, le=MAX_TOP_K), WHOLE]
Offset = Annotated[int, Field(ge=0, le=MAX_OFFSET), WHOLE]
Score = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]
Values = Annotated[
    list[Annotated[str, Field(max_length=_VALUE_CHARS)]],
    Field(min_length=1, max_length=_VALUES),
    BeforeValidator(_several),
    WithJsonSchema({"anyOf": [_VALUE, {"type": "array", "items": _VALUE, "minItems": 1, "maxItems": _VALUES}]}),
]


def _value(given: Any, info: ValidationInfo) -> Any:
    """Parse JSON text where the model is read from a form."""
    if isinstance(given, str) and (info.config or {}).get("strict") is False:
        return value_of(given.encode("utf-8", "surrogatepass"), f"The field {info.field_name}")
    return given


Where = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=200)], Values],
    Field(max_length=20, description='attribute to a value, or to a list of which any will do: `{"colour": ["red", "blue"]}`'),
    BeforeValidator(_value),
]


Schema = dict[str, Any]
FORM_MEDIA = "image/png, image/jpeg, image/webp, image/gif, image/bmp"
_FILE: Schema = {"type": "string", "format": "binary"}
_NOT_IN_FORMS = frozenset({"image_id", "image_index", "image_url"})


def examples(*bodies: dict[str, Any]) -> Any:
    """`Body` with examples for the documentation."""
    return Body(openapi_examples={" and ".join(body): {"value": body} for body in bodies})


def _one_of(*names: str, or_else: str | None = None) -> Callable[[Schema], None]:
    """A schema change: exactly one of these fields is required, or `or_else` if none of them is given."""

    def needs(schema: Schema, name: str) -> Schema:
        return {"required": [name], "properties": {name: _without_null(schema["properties"][name])}}

    def add(schema: Schema) -> None:
        schema["oneOf"] = [needs(schema, name) for name in names]
        if or_else is not None:
            alone = needs(schema, or_else)
            schema["oneOf"].append(alone | {"properties": alone["properties"] | {name: {"type": "null"} for name in names}})

    return add


def _as_form(schema: Schema) -> None:
    """Remove from a schema what forms cannot express (null) and other ways to name a picture; require a file or a text."""
    fields = schema["properties"].items()
    schema["properties"] = {name: _without_null(field) for name, field in fields if name not in _NOT_IN_FORMS}
    schema["anyOf"] = [{"required": [name]} for name in ("image", "query") if name in schema["properties"]]


def _without_null(field: Schema) -> Schema:
    kinds = [kind for kind in field.get("anyOf", ()) if kind != {"type": "null"}]
    rest = {name: value for name, value in field.items() if name != "anyOf" and not (name == "default" and value is None)}
    if not kinds:
        return rest
    return rest | (kinds[0] if len(kinds) == 1 else {"anyOf": kinds})


ItemAttributes = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=200)], Annotated[str, Field(max_length=2_000)]],
    Field(max_length=100),
    BeforeValidator(_value),
]


class Question(BaseModel):
    """Base of all bodies."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Reference(Question):
    """Base of bodies of the compatibility contract: unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore")


SIGNAL = "what a text finds pictures by: the words of their titles and captions, the likeness of the embeddings, or both joined"


class SearchOptions(BaseModel):
    """Options of every search."""

    top_k: TopK = 10
    min_score: Score | None = None
    where: Where | None = None
    signal: Annotated[Signal, Field(description=SIGNAL)] = "joined"
    collapse_duplicates: Annotated[bool, Field(description="of items with the same picture file only the best is a result")] = True


class PagedSearchOptions(SearchOptions):
    """Options of a search with one query."""

    offset: Annotated[Offset, Field(description="how many of the best results are skipped: pages of results")] = 0
    include_self: Annotated[bool, Field(description="items with the very picture searched with may be results")] = False


class TextSearchRequest(PagedSearchOptions, Reference):
    query: QueryText


class PictureSource(BaseModel):
    """Exactly one picture: an item's, an address, or a file `image` in a form."""

    image_url: Address | None = None

    @property
    def file(self) -> UploadFile | None:
        """The picture's file; JSON has none."""
        return None

    @property
    def pictures(self) -> int:
        """Number of pictures that are named or sent."""
        return (self.file is not None) + sum(getattr(self, name, None) is not None for name in _NOT_IN_FORMS)

    def check_one_picture(self) -> None:
        """Raises QueryError `bad_request` unless there is exactly one."""
        if self.pictures != 1:
            what = "No picture is named or sent." if not self.pictures else f"{self.pictures} pictures are named or sent."
            names = ", ".join(sorted(_NOT_IN_FORMS & type(self).model_fields.keys()))
            raise bad_request(what, f"Give exactly one: {names}, or a file in the field image.")

    async def picture(self) -> bytes | str | None:
        """The bytes of the file, or the address; None where an item is named."""
        return self.image_url if self.file is None else await self.file.read()


class ItemPictureSource(PictureSource):
    """The same, of which one way is an item of the collection."""

    image_id: Id | None = None


class Form(BaseModel):
    """Last base of a model that is read from a form: numbers arrive as text."""

    model_config = ConfigDict(strict=False, json_schema_extra=_as_form)


class PictureForm(PictureSource, Form):
    """A form with a file."""

    image: Annotated[UploadFile, WithJsonSchema(_FILE)] | None = None

    @property
    def file(self) -> UploadFile | None:
        """See `PictureSource`."""
        return self.image


class ImageSearchRequest(PagedSearchOptions, ItemPictureSource, Reference):
    model_config = ConfigDict(json_schema_extra=_one_of("image_id", "image_index", "image_url"))

    image_index: Annotated[int, Field(ge=0, le=2**53, description="place in the list of all items, from 0"), WHOLE] | None = None


class CaptionRequest(ItemPictureSource, Reference):
    model_config = ConfigDict(json_schema_extra=_one_of("image_id", "image_url"))

    top_k: Annotated[int, Field(ge=1, le=MAX_TOP_K), WHOLE] = 5


class AnySearchRequest(PagedSearchOptions, ItemPictureSource, Question):
    """Text, picture, or both; `weight` is the picture's share when it is both."""

    model_config = ConfigDict(json_schema_extra=_one_of("image_id", "image_url", or_else="query"))

    query: QueryText | None = None
    weight: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.5


class BatchSearchRequest(SearchOptions, Question):
    queries: Annotated[list[QueryText], Field(min_length=1, max_length=256, fail_fast=True)]


class CorrectionRequest(Question):
    query: QueryText


class NewItemRequest(PictureSource, Question):
    """A picture to add, with what is known of it."""

    model_config = ConfigDict(json_schema_extra=_one_of("image_url"))

    title: Annotated[str, Field(max_length=2_000)] | None = None
    source: Annotated[str, Field(max_length=4_096, description="where it came from: shown, never opened")] = ""
    captions: Annotated[list[Annotated[str, Field(max_length=2_000)]], Field(max_length=20)] = []
    attributes: ItemAttributes = {}


class AddressedItem(NewItemRequest):
    """One of many items, each with a URL."""

    model_config = ConfigDict(json_schema_extra={})

    image_url: OneAddress


class NewItemsRequest(Question):
    items: Annotated[
        list[AddressedItem], Field(min_length=1, max_length=200, fail_fast=True)
    ]  # report one error instead of thousands


class NewItemsForm(BaseModel):
    model_config = ConfigDict(extra="allow", json_schema_extra={"additionalProperties": False, "required": ["images"]})

    images: Annotated[list[UploadFile], WithJsonSchema({"type": "array", "items": _FILE, "minItems": 1, "maxItems": 200})] = []


class ItemChange(Question):
    """Omitted fields stay unchanged."""

    title: Annotated[str, Field(max_length=2_000)] | None = None
    attributes: ItemAttributes | None = None


class ImportRequest(Question):
    location: Annotated[str, Field(min_length=1, max_length=4_096, description="a CSV or a folder of this computer")]


class ExportRequest(Question):
    kind: Literal["csv", "parquet", "npy"] = "csv"
    where: Where | None = None
