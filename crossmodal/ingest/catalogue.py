"""What every catalogue offers, whatever it is made of: rows, each either usable or a reason why not."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol, runtime_checkable

from crossmodal.items import CatalogueRow, Failure

Entry = CatalogueRow | Failure


@dataclass(frozen=True, slots=True)
class Unread(Failure):
    """A part of a catalogue that cannot be read: rows may be hidden in it, and none of them counts as gone.

    Attributes:
        beginnings: of the keys these rows may have; an empty one is that of any key.
    """

    beginnings: tuple[str, ...] = ("",)


def unread(failure: Failure, *beginnings: str) -> Unread:
    """The failure of a part in which rows with keys of these beginnings may be hidden."""
    values = {each.name: getattr(failure, each.name) for each in fields(Failure)}
    return Unread(**values, beginnings=beginnings)


class Catalogue(Protocol):
    """A CSV, a folder of pictures, an archive or a table of them, read again at every call of `rows`.

    Attributes:
        name: its identity in the collection; two catalogues never share it.
        kind: `csv`, `folder`, `zip`, `parquet` or `shards`.
        label: a short name for a person.
        location: where it lies, as shown to a person.
        folder: where paths of its rows start, resolved.
        duplicates: rows of the last complete reading that said exactly what an earlier row had said.
    """

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> str: ...

    @property
    def label(self) -> str: ...

    @property
    def location(self) -> str: ...

    @property
    def folder(self) -> Path: ...

    @property
    def duplicates(self) -> int: ...

    def survey(self) -> int:
        """How many entries `rows` will give, found by reading once through.

        Raises:
            CatalogueError: the catalogue as a whole cannot be read, or holds nothing.
        """
        ...

    def rows(self) -> Iterator[Entry]:
        """Every row in a stable order; keys are unique. A row that cannot be used comes as a `Failure` with its reason.

        Raises:
            CatalogueError: the catalogue as a whole cannot be read; what came before is valid.
        """
        ...


@runtime_checkable
class HoldsPictures(Protocol):
    """A catalogue whose own file holds the pictures: nothing beside it has to be read for them."""

    def held(self, row: CatalogueRow) -> bytes | None:
        """The bytes of a row's picture; None when they lie at its `location` after all. Safe to call from several threads.

        Raises:
            CatalogueError: the file cannot be read there, or the picture is larger than the limits allow.
        """
        ...
