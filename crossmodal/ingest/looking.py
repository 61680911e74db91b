"""Looking at one row's picture: read, compare, decode. Runs in worker threads and touches nothing but the row."""

import hashlib
from collections.abc import Callable
from typing import Protocol

from crossmodal.errors import CrossmodalError
from crossmodal.ingest.outcomes import Decoded, Outcome, Task, Unchanged
from crossmodal.items import CatalogueRow, Failure, Picture


class Decodes(Protocol):
    """Bytes to a picture, safe to call from several threads."""

    def decode(self, data: bytes, *, square_px: int) -> Picture: ...


class Looking:
    """A task to what becomes of it.

    Every error of the family becomes a `Failure`; any other is a mistake of ours and passes through.

    Args:
        load: a row to the bytes of its picture.
        square_px: side of the model's input.
        catalogue: name of the catalogue, for failures.
    """

    def __init__(self, load: Callable[[CatalogueRow], bytes], decoder: Decodes, *, square_px: int, catalogue: str) -> None:
        self._load = load
        self._decoder = decoder
        self._square_px = square_px
        self._catalogue = catalogue

    def __call__(self, task: Task) -> Outcome:
        """Unchanged when the collection has exactly these bytes under this key, otherwise decoded, or failed."""
        known = task.known
        try:
            data = self._load(task.row)
            if known is not None and known.embedded and hashlib.sha256(data).hexdigest() == known.item.content_hash:
                return Unchanged(task, restore=known.removed)
            return Decoded(task, self._decoder.decode(data, square_px=self._square_px))
        except CrossmodalError as error:
            return Failure(
                key=task.key,
                catalogue=self._catalogue,
                location=task.row.location,
                title=task.row.title,
                code=error.code,
                reason=error.message,
                remedy=error.remedy,
            )
