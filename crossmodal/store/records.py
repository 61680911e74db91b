"""What the catalog answers besides items: frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from crossmodal.items import Item


@dataclass(frozen=True, slots=True)
class Known:
    """What the catalog already holds under a key.

    Attributes:
        item: as stored, also when it is removed.
        removed: it was removed; writing the key again brings it back.
        vanished: it was removed because its row vanished, not by a person.
        embedded: it has an embedding of the model that was asked about; False where no model was named.
    """

    item: Item
    removed: bool
    vanished: bool
    embedded: bool


@dataclass(frozen=True, slots=True)
class ItemTexts:
    """The words of an item without its picture, for an item whose picture did not change."""

    key: str
    title: str
    origin: str = ""
    captions: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    held_out: bool = False


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """A catalogue the collection was filled from.

    Attributes:
        kind: `csv`, `folder`, `demo`, ... as the reader names it.
        location: where it lies, as shown to a person.
        completed_at: when a reading last came to its end (Unix seconds), None while none did.
        began_at: when that reading began, None also where an earlier version of this program read it.
        items, failures: rows in the collection, rows that failed.
    """

    name: str
    kind: str
    location: str
    added_at: float
    completed_at: float | None
    items: int
    failures: int
    began_at: float | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened to one model's embeddings since a position in the feed. Apply the removals first, then the additions.

    The feed of texts has the ids of texts where that of pictures has the ids of items.

    Attributes:
        item_ids: (n,) int64, new or replaced, in the order they were written.
        embeddings: (n, embed_dim) float32, row i belongs to `item_ids[i]`.
        removed_ids: (m,) int64, some of which a reader may never have seen.
        seq, removal_seq: the position to ask from next time.
        mark, removal_mark: what lies at `seq` and at `removal_seq`, as `Store.mark` and `Store.removal_mark` answer.
    """

    item_ids: npt.NDArray[np.int64] = field(repr=False)
    embeddings: npt.NDArray[np.float32] = field(repr=False)
    removed_ids: npt.NDArray[np.int64] = field(repr=False)
    seq: int
    removal_seq: int
    mark: str
    removal_mark: str
