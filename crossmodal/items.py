"""Frozen value types of the collection and of search results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal, get_args

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# Named as text: the command line shows items, and starts much sooner without numpy.
Pixels = Annotated["npt.NDArray[np.uint8]", "(height, width, 3) or (n, height, width, 3), RGB"]
Fit = Literal["crop", "bicubic crop", "squash", "bicubic squash"]
"""How a picture becomes the square that a model reads: the middle after the short side is scaled, or the whole picture with both sides
scaled; bilinear unless it says bicubic."""
FITS: tuple[Fit, ...] = get_args(Fit)
Embedding = Annotated["npt.NDArray[np.float32]", "(embed_dim,) or (n, embed_dim), unit length"]


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture: upright, RGB, without metadata.

    Attributes:
        content_hash: SHA-256 of the original bytes, in hex; equal files are one picture.
        width_px, height_px: size of the original after rotation to upright.
        pixels: (square_px, square_px, 3) uint8, the model's input.
        rendition: re-encoded JPEG that is stored and shown large.
        thumbnail: re-encoded JPEG for result grids.
        fit: how `pixels` were made of the picture.
    """

    content_hash: str
    width_px: int
    height_px: int
    pixels: Pixels = field(repr=False, compare=False)
    rendition: bytes = field(repr=False)
    thumbnail: bytes = field(repr=False)
    fit: Fit = "crop"


@dataclass(frozen=True, slots=True)
class Item:
    """One stored item of the collection. One that several sources have joins their words; see `ItemSource`.

    Attributes:
        source: name of the source it was first indexed from, or `added`.
        added_at: Unix time in seconds.
        origin: where the picture came from (path or URL); displayed, never opened.
        held_out: not used for training.
    """

    item_id: int
    title: str
    source: str
    content_hash: str
    width_px: int
    height_px: int
    added_at: float
    origin: str = ""
    captions: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    held_out: bool = False


@dataclass(frozen=True, slots=True)
class ItemSource:
    """A row of a source that shows an item's picture, with the words that it contributes to the item.

    Attributes:
        key: unique in the collection; the same each time the source is read.
        source: name of the source, or `added`.
        origin: where the row's picture comes from (path or URL); displayed, never opened.
    """

    key: str
    source: str
    title: str
    origin: str = ""
    captions: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    held_out: bool = False


@dataclass(frozen=True, slots=True)
class NewItem:
    """An item to be added to the collection.

    Attributes:
        key: unique in the collection and stable when a source is re-indexed; writing an existing key updates its row's words and picture.
        embedding: (embed_dim,) float32, unit length.
    """

    key: str
    title: str
    picture: Picture
    embedding: Embedding = field(repr=False, compare=False)
    source: str = "added"
    origin: str = ""
    captions: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    held_out: bool = False


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row of a source before its picture is read.

    Attributes:
        key: unique within its source and the same each time it is read.
        location: an http(s) URL, or a path relative to the source's folder.
        line: line in the file for messages (1 = header), 0 for a folder.
    """

    key: str
    title: str
    location: str
    line: int = 0
    captions: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    held_out: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """A row that could not be indexed, with reason and remedy. `failed_at` is Unix time in seconds."""

    key: str
    source: str
    location: str
    title: str
    code: str
    reason: str
    remedy: str
    attempts: int = 1
    failed_at: float = 0.0


FoundBy = Literal["words", "likeness", "both"]
"""What found an item: words of the query among its own, the likeness of the embeddings, or both."""


@dataclass(frozen=True, slots=True)
class WordHit:
    """An item that has words of a query.

    Attributes:
        score: BM25, above 0: a word adds its inverse document frequency (in nats), and less where it is only in a file name.
        has_all: the item has every word of the query.
        is_title: the query is the item's whole title, apart from case and punctuation.
    """

    item_id: int
    score: float
    has_all: bool = False
    is_title: bool = False


@dataclass(frozen=True, slots=True)
class SearchResult:
    """One search result.

    Attributes:
        score: the cosine of the two embeddings, in [-1, 1], higher is better; 0 for an item that has no embedding of the model yet.
            Results of a text are ordered by words as well, not by this alone.
        rank: starts at 1.
        found_by: see `FoundBy`.
    """

    item: Item
    score: float
    rank: int
    found_by: FoundBy = "likeness"


@dataclass(frozen=True, slots=True)
class CaptionResult:
    """A text that fits a picture, with the oldest item that has it. `score` is the cosine, in [-1, 1]; `rank` starts at 1."""

    item: Item
    caption: str
    score: float
    rank: int


@dataclass(frozen=True, slots=True)
class AddOutcome:
    """Result of adding a picture. `created` is False if the same file was already in the collection; `item` is then the existing one."""

    item: Item
    created: bool


def texts_of(title: str, captions: Sequence[str]) -> tuple[str, ...]:
    """Distinct non-blank captions of an item, or its title if it has none; empty for an item without text."""
    distinct = dict.fromkeys(caption for caption in captions if caption.strip())
    return tuple(distinct) or ((title,) if title.strip() else ())
