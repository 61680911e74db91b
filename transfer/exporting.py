"""Taking the collection along: as CSV, Parquet, vectors with ids, or a folder of pictures; whole or not at all."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from crossmodal.catalog import Filter
from crossmodal.catalog.filters import checked
from crossmodal.errors import QueryError
from crossmodal.items import Item
from crossmodal.progress import OnProgress, Progress, check_stop, ignore_progress
from transfer.drafts import draft_of
from transfer.export_formats import IDS_SUFFIX, write_csv, write_folder, write_npy, write_parquet
from upkeep.live_app import LiveApp

KINDS = ("csv", "parquet", "npy", "folder")
_PAGE = 256


def export_items(
    app: LiveApp,
    path: Path,
    kind: str = "csv",
    where: Filter | None = None,
    *,
    ids: Sequence[int] | None = None,
    overwrite: bool = False,
    shown: Callable[[Item], Item] | None = None,
    on_progress: OnProgress = ignore_progress,
    stop: threading.Event | None = None,
) -> int:
    """Write items to `path`, which has them all when this returns and is as it was when it raises; returns how many were written.

    `csv`: UTF-8 as spreadsheets read it, an attribute a column, cells that would compute defused with a "'". `parquet`: the same with the
    embeddings of the model in use, attributes as a map. `npy`: (n, embed_dim) float32, and beside it `NAME.ids.json` with the model's
    id, the items' ids and content hashes in the order of the rows, and the checksum of the vectors' file; items without an embedding are
    left out. `folder`: the stored pictures and `items.csv`, which can be indexed again.

    Args:
        ids: these items in this order, instead of a filter; those not there any more are left out.
        overwrite: replace files that are there; a folder that holds anything is never replaced.
        shown: what is written in place of an item, for readers who may not see all of it.

    Raises:
        QueryError: `bad_request`, an unknown kind, a filter that is none, or something is at `path` or where its ids would be. Stopped.
            StoreError.
    """
    ids_path = path.with_suffix(IDS_SUFFIX)
    writers: dict[str, Callable[[LiveApp, Iterable[Item], Path], int]] = {
        "csv": write_csv,
        "parquet": write_parquet,
        "npy": partial(write_npy, ids_path=ids_path),
        "folder": write_folder,
    }
    if kind not in writers:
        raise QueryError("bad_request", f"{kind!r:.40} is no kind of export.", remedy=f"Choose one of {', '.join(KINDS)}.")
    for target in (path, ids_path) if kind == "npy" else (path,):
        if not (_is_free(target, kind) or (overwrite and target.is_file())):
            raise QueryError("bad_request", f"{target} is there already.", remedy="Choose another name.")
    items = _Items(app, where, ids, on_progress, stop)
    with draft_of(path) as draft:
        written = writers[kind](app, map(shown, items) if shown else items, draft)
    on_progress(Progress("export", f"{written:,} items written", done=written, total=written, finished=True))
    return written


class _Items:
    """The items to be written, one after the other, with progress."""

    def __init__(
        self, app: LiveApp, where: Filter | None, ids: Sequence[int] | None, told: OnProgress, stop: threading.Event | None
    ) -> None:
        self._app, self._where, self._ids, self._told, self._stop = app, checked(where), ids, told, stop
        self._total = len(ids) if ids is not None else len(app.catalog.matching(self._where)) if where else app.catalog.count()

    def __iter__(self) -> Iterator[Item]:
        done = 0
        for page in self._pages():
            check_stop(self._stop, "The export")
            yield from page
            done += len(page)
            self._told(Progress("export", "Writing items", done=done, total=self._total))

    def _pages(self) -> Iterator[list[Item]]:
        if self._ids is not None:
            for start in range(0, len(self._ids), _PAGE):
                yield self._app.catalog.items(self._ids[start : start + _PAGE])
            return
        after_id = 0
        while page := self._app.catalog.matching_page(_PAGE, after_id, self._where):
            yield page
            after_id = page[-1].item_id


def _is_free(path: Path, kind: str) -> bool:
    """Whether nothing is at a path; an empty folder gives way to a folder."""
    return not path.exists() or (kind == "folder" and path.is_dir() and not any(path.iterdir()))
