"""Decide which rows of a source need processing, with one store query for many rows."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

from crossmodal.ingest.picture_loader import host_of
from crossmodal.ingest.sources.base import Source, Unread
from crossmodal.items import Failure, Picture, SourceRow
from crossmodal.store import Known, Store


@dataclass(frozen=True, slots=True)
class Task:
    """A row whose picture must be processed. `key` is unique in the whole collection."""

    key: str
    row: SourceRow
    known: Known | None


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The picture needs no processing. `restore`: the item was removed with its row, and the row is back."""

    task: Task
    restore: bool = False


@dataclass(frozen=True, slots=True)
class Decoded:
    """A new or changed picture."""

    task: Task
    picture: Picture


Outcome = Unchanged | Decoded | Failure


LookAgain = Literal["files", "failures", "everything"] | frozenset[str]
_ROWS_A_QUESTION = 64


class Plan:
    """Iterates over a source once and yields what to do for each row.

    Args:
        look_again: see `ingest`.
        failed: keys that failed last time.

    Attributes:
        keys: keys of the rows seen so far, including failures.
        unread: key prefixes of rows that may be in parts that could not be read so far.
    """

    def __init__(
        self,
        source: Source,
        store: Store,
        *,
        model_id: str,
        look_again: LookAgain,
        failed: Collection[str],
    ) -> None:
        self.keys: set[str] = set()
        self.unread: set[str] = set()
        self._source = source
        self._store = store
        self._model_id = model_id
        self._look_again = look_again
        self._failed = failed

    def __iter__(self) -> Iterator[Task | Unchanged | Failure]:
        rows = self._source.rows()
        while chunk := list(islice(rows, _ROWS_A_QUESTION)):
            keys = [collection_key(self._source.name, row.key) for row in chunk]
            self.keys.update(keys)
            known = self._store.items.known(keys, model_id=self._model_id)
            refused = self._store.items.refused(keys)
            for row, key in zip(chunk, keys, strict=True):
                if isinstance(row, Unread):
                    self.unread.update(collection_key(self._source.name, beginning) for beginning in row.beginnings)
                if isinstance(row, Failure):
                    yield replace(row, key=key)
                else:
                    task = Task(key, row, known.get(key))
                    yield Unchanged(task) if key in refused else self._decide(task)

    def _decide(self, task: Task) -> Task | Unchanged:
        known = task.known
        if known is None:
            return task
        if known.removed and not known.vanished:  # removed by the user
            return Unchanged(task)
        return task if self._is_looked_at(task, known) else Unchanged(task, restore=known.removed)

    def _is_looked_at(self, task: Task, known: Known) -> bool:
        if not known.embedded or self._look_again == "everything":
            return True
        if isinstance(self._look_again, frozenset):
            return task.row.key in self._look_again or task.key in self._failed
        return task.key in self._failed if self._look_again == "failures" else not host_of(task.row.location)


def collection_key(source: str, row_key: str) -> str:
    """A row's key, unique in the whole collection: two sources may both have a row "1"."""
    return f"{source}\n{row_key}"
