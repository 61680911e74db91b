"""Export the collection as CSV, Parquet, vectors with ids, or a folder of pictures, atomically."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from crossmodal.atomic import atomic_path
from crossmodal.errors import QueryError
from crossmodal.filters import Filter, Where
from crossmodal.items import Item
from crossmodal.progress import OnProgress, Progress, check_stop, ignore_progress
from crossmodal.store import Store
from crossmodal.text.cleaning import counted
from engine.export_formats import IDS_SUFFIX, Exported, write_csv, write_folder, write_npy, write_parquet

KINDS = ("csv", "parquet", "npy", "folder")
_PAGE = 256


def export_items(
    exported: Exported,
    path: Path,
    kind: str = "csv",
    where: Where | None = None,
    *,
    ids: Sequence[int] | None = None,
    overwrite: bool = False,
    shown: Callable[[Item], Item] | None = None,
    on_progress: OnProgress = ignore_progress,
    stop: threading.Event | None = None,
) -> int:
    """Write items to `path` atomically; returns how many were written. On an error `path` is unchanged.

    `csv`: UTF-8 for spreadsheets, one column per attribute, formula-like cells escaped with a "'". `parquet`: the same with the
    embeddings of the active model, attributes as a map. `npy`: (n, embed_dim) float32, and beside it `NAME.ids.json` with the model's
    id, the items' ids and content hashes in row order, and the checksum of the vectors file; items without an embedding are
    omitted. `folder`: the stored pictures and `items.csv`, which can be indexed again.

    Args:
        ids: export these items in this order, instead of a filter; items that no longer exist are omitted.
        overwrite: replace existing files; a folder that is not empty is never replaced.
        shown: maps each item to what is written, to hide parts from the reader.

    Raises:
        QueryError: `bad_request`: an unknown kind, an invalid filter, or `path` or its ids file exists.
        Stopped: nothing was written.
        StoreError: writing failed.
    """
    if kind not in KINDS:
        raise QueryError("bad_request", f"{kind!r:.40} is not an export format.", remedy=f"Choose one of {', '.join(KINDS)}.")
    if not path.name:
        raise QueryError(
            "bad_request", f'"{path}" cannot be used as the name of an export.', remedy="Give a file, or a new folder."
        )
    ids_path = path.with_suffix(IDS_SUFFIX)
    for target in (path, ids_path) if kind == "npy" else (path,):
        _check_free(target, kind, overwrite=overwrite)
    writers: dict[str, Callable[[Exported, Iterable[Item], Path], int]] = {
        "csv": write_csv,
        "parquet": write_parquet,
        "npy": partial(write_npy, ids_path=ids_path),
        "folder": write_folder,
    }
    items = _Items(exported.store, where, ids, shown or _as_it_is, on_progress, stop)
    began = time.monotonic()
    with atomic_path(path, replace=overwrite) as draft:
        written = writers[kind](exported, items, draft)
    rate = written / max(time.monotonic() - began, 1e-3)
    message = f"{counted(written, 'item')} written"
    on_progress(Progress("export", message, done=written, total=written, finished=True, rate_per_s=rate))
    return written


def _as_it_is(item: Item) -> Item:
    return item


class _Items:
    """Iterates over the items to be exported, with progress; can be iterated repeatedly."""

    def __init__(
        self,
        store: Store,
        where: Where | None,
        ids: Sequence[int] | None,
        shown: Callable[[Item], Item],
        on_progress: OnProgress,
        stop: threading.Event | None,
    ) -> None:
        self._store, self._where, self._ids, self._shown = store, Filter.of(where), ids, shown
        self._on_progress, self._stop = on_progress, stop
        self._total = len(ids) if ids is not None else len(store.items.matching(self._where)) if where else store.items.count()

    def __iter__(self) -> Iterator[Item]:
        done, began = 0, time.monotonic()
        for page in self._pages():
            check_stop(self._stop, "The export", remedy="Nothing was written; start it again.")
            yield from map(self._shown, page)
            done += len(page)
            rate = done / max(time.monotonic() - began, 1e-3)
            left = max(self._total - done, 0) / rate if rate else None
            self._on_progress(Progress("export", "Writing items", done=done, total=self._total, rate_per_s=rate, seconds_left=left))

    def _pages(self) -> Iterator[list[Item]]:
        if self._ids is not None:
            for start in range(0, len(self._ids), _PAGE):
                yield self._store.items.get_many(self._ids[start : start + _PAGE])
            return
        after_id = 0
        while page := self._store.items.matching_page(_PAGE, after_id, self._where):
            yield page
            after_id = page[-1].item_id


def _check_free(path: Path, kind: str, *, overwrite: bool) -> None:
    """Raise if the target must not be replaced. An empty folder can be replaced by a folder.

    Raises:
        QueryError: `bad_request`.
    """
    if path.is_dir():
        if kind != "folder":
            raise QueryError("bad_request", f"{path} is a folder.", remedy="Give a file name.")
        if any(path.iterdir()):
            what = f"The folder {path} already exists and is not empty; a folder is never overwritten, because it may hold files of yours."
            raise QueryError("bad_request", what, remedy="Choose another name.")
    elif path.exists() and not (overwrite and kind != "folder" and path.is_file()):
        remedy = "Choose another name." if kind == "folder" else "Choose another name, or replace it with --overwrite."
        raise QueryError("bad_request", f"{path} already exists.", remedy=remedy)
