"""Which rows of a catalogue have to be looked at: one question to the collection for many rows."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import islice
from typing import Literal

from crossmodal.catalog import Catalog
from crossmodal.catalog.records import Known
from crossmodal.ingest.catalogue import Catalogue
from crossmodal.ingest.outcomes import Task, Unchanged
from crossmodal.ingest.picture_loader import host_of
from crossmodal.items import Failure

LookAgain = Literal["files", "failures", "everything"] | frozenset[str]
_ROWS_A_QUESTION = 64


class Plan:
    """Goes through a catalogue once and says for each row what is to be done.

    Args:
        look_again: see `ingest`.
        failed: keys that failed last time.
        vanished: ids of items that were removed with their row. Such an item comes back with the row; any other removed item was
            removed by a person, and stays so.

    Attributes:
        keys: of the rows seen so far, failures included.
        returned: ids of the vanished items whose rows were seen.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        catalog: Catalog,
        *,
        model_id: str,
        look_again: LookAgain,
        failed: Collection[str],
        vanished: Collection[int],
    ) -> None:
        self.keys: set[str] = set()
        self.returned: set[int] = set()
        self._catalogue = catalogue
        self._catalog = catalog
        self._model_id = model_id
        self._look_again = look_again
        self._failed = failed
        self._vanished = vanished

    def __iter__(self) -> Iterator[Task | Unchanged | Failure]:
        rows = self._catalogue.rows()
        while chunk := list(islice(rows, _ROWS_A_QUESTION)):
            keys = [collection_key(self._catalogue.name, row.key) for row in chunk]
            self.keys.update(keys)
            known = self._catalog.known(keys, model_id=self._model_id)
            for row, key in zip(chunk, keys, strict=True):
                yield replace(row, key=key) if isinstance(row, Failure) else self._decide(Task(key, row, known.get(key)))

    def _decide(self, task: Task) -> Task | Unchanged:
        known = task.known
        if known is None:
            return task
        if known.removed:
            if known.item.item_id not in self._vanished:
                return Unchanged(task)
            self.returned.add(known.item.item_id)
        return task if self._is_looked_at(task, known) else Unchanged(task, restore=known.removed)

    def _is_looked_at(self, task: Task, known: Known) -> bool:
        if not known.embedded or self._look_again == "everything":
            return True
        if isinstance(self._look_again, frozenset):
            return task.row.key in self._look_again or task.key in self._failed
        return task.key in self._failed if self._look_again == "failures" else not host_of(task.row.location)


def collection_key(catalogue: str, row_key: str) -> str:
    """A row's key within the whole collection: two catalogues may both have a row "1"."""
    return f"{catalogue}\n{row_key}"
