"""What the collection holds and what a search answers: frozen values, passed from room to room."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Embedding = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded, safe picture: upright, RGB, without metadata.

    Attributes:
        content_hash: SHA-256 of the bytes as they came, in hex: two equal files are one picture.
        width_px, height_px: upright size of the original.
        pixels: (square_px, square_px, 3) uint8, the model's input: short side resized, centre cropped.
        rendition: re-encoded JPEG, what is stored and shown large.
        thumbnail: re-encoded JPEG, what a grid of results shows.
    """

    content_hash: str
    width_px: int
    height_px: int
    pixels: Pixels = field(repr=False, compare=False)
    rendition: bytes = field(repr=False)
    thumbnail: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Item:
    """One thing in the collection, as stored. `origin` says where it came from and is shown, never opened."""

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
class NewItem:
    """An item on its way into the collection.

    Attributes:
        key: identity within the whole collection and stable between readings of a catalogue; writing a key again updates its item.
        embedding: (embed_dim,) float32 of length 1.
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
    """One row of a catalogue before its picture was looked at.

    Attributes:
        key: unique within its catalogue and the same at every reading.
        location: an http(s) address, or a path relative to the catalogue's folder.
        line: line in the file (1 = header), 0 for a folder; for messages.
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
    """A row that is not in the collection, with a reason a person can act on."""

    key: str
    source: str
    location: str
    title: str
    code: str
    reason: str
    remedy: str
    attempts: int = 1
    failed_at: float = 0.0


@dataclass(frozen=True, slots=True)
class SearchResult:
    """One answer. `score` is the cosine of the two embeddings, in [-1, 1], higher is better; `rank` starts at 1."""

    item: Item
    score: float
    rank: int


@dataclass(frozen=True, slots=True)
class CaptionResult:
    """A text that fits a picture, with the oldest item that carries it. `score` is the cosine, in [-1, 1]; `rank` starts at 1."""

    item: Item
    caption: str
    score: float
    rank: int


@dataclass(frozen=True, slots=True)
class AddOutcome:
    """What adding a picture came to: `created` is False when the very same file was in the collection already; then `item` is that one."""

    item: Item
    created: bool


def texts_of(title: str, captions: Sequence[str]) -> tuple[str, ...]:
    """What an item says: its different captions, or its title where it has none; empty for an item without words."""
    said = dict.fromkeys(caption for caption in captions if caption.strip())
    return tuple(said) or ((title,) if title.strip() else ())
