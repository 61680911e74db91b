"""What the API is asked: the bodies of requests, and how they are read from JSON or from a form."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.asked.fields import WHOLE, Address, Id, OneAddress, Query, Score, TopK, Where
from api.options import MAX_CAPTIONS


class Question(BaseModel):
    """Base of all bodies."""

    model_config = ConfigDict(extra="forbid")


class Reference(Question):
    """Bodies of the reference's addresses: fields it does not know are passed over, as there."""

    model_config = ConfigDict(extra="ignore")


class Narrowed(BaseModel):
    """What every search takes."""

    top_k: TopK = 10
    min_score: Score | None = None
    where: Where | None = None


class TextQuestion(Narrowed, Reference):
    query: Query


class PictureSource(BaseModel):
    """Exactly one picture: an item's, an address, or a file `image` in a form."""

    image_id: Id | None = None
    image_url: Address | None = None


class ImageQuestion(Narrowed, PictureSource, Reference):
    image_index: Annotated[int, Field(ge=0, le=2**53, description="place in the list of all items, from 0"), WHOLE] | None = None


class CaptionQuestion(PictureSource, Reference):
    top_k: Annotated[int, Field(ge=1, le=MAX_CAPTIONS), WHOLE] = 5


class AnyQuestion(Narrowed, PictureSource, Question):
    """Text, picture, or both; `weight` is the picture's share when it is both."""

    query: Query | None = None
    weight: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.5


class BatchQuestion(Narrowed, Question):
    queries: Annotated[list[Query], Field(min_length=1, max_length=256, fail_fast=True)]


class CorrectionQuestion(Question):
    query: Query


class NewItemQuestion(Question):
    """A picture to add, with what is known of it."""

    image_url: Address | None = None
    title: Annotated[str, Field(max_length=2_000)] | None = None
    captions: Annotated[list[Annotated[str, Field(max_length=2_000)]], Field(max_length=20)] = []
    attributes: Annotated[
        dict[Annotated[str, Field(min_length=1, max_length=200)], Annotated[str, Field(max_length=2_000)]], Field(max_length=100)
    ] = {}


class AddressedItem(NewItemQuestion):
    """One of many, which come as addresses."""

    image_url: OneAddress


class NewItemsQuestion(Question):
    items: Annotated[
        list[AddressedItem], Field(min_length=1, max_length=200, fail_fast=True)
    ]  # one fault is told, not thousands found


class ItemChange(Question):
    """What is left out stays as it is."""

    title: Annotated[str, Field(max_length=2_000)] | None = None
    attributes: dict[Annotated[str, Field(min_length=1, max_length=200)], Annotated[str, Field(max_length=2_000)]] | None = Field(
        None, max_length=100
    )


class ImportQuestion(Question):
    location: Annotated[str, Field(min_length=1, max_length=4_096, description="a CSV or a folder of this computer")]


class ExportQuestion(Question):
    kind: Literal["csv", "parquet", "npy"] = "csv"
    where: Where | None = None
