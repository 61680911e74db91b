"""What becomes of a row on its way through the pipeline."""

from dataclasses import dataclass

from crossmodal.catalog.records import Known
from crossmodal.items import CatalogueRow, Failure, Picture


@dataclass(frozen=True, slots=True)
class Task:
    """A row whose picture has to be looked at. `key` is the row's identity in the whole collection."""

    key: str
    row: CatalogueRow
    known: Known | None


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Nothing is to be done about the picture. `restore`: its item had been removed with its row, and the row is back."""

    task: Task
    restore: bool = False


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture that is new under its key, or changed."""

    task: Task
    picture: Picture


Outcome = Unchanged | Decoded | Failure
