"""Taking the collection along: as CSV, Parquet, vectors with ids, or a folder of pictures; whole or not at all."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from crossmodal.catalog import Filter, faults
from crossmodal.catalog.filters import checked
from crossmodal.errors import QueryError
from crossmodal.items import Item
from crossmodal.progress import OnProgress, Progress, check_stop, ignore_progress
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
    on_progress: OnProgress = ignore_progress,
    stop: threading.Event | None = None,
) -> int:
    """Write items to `path`, which has them all when this returns and is as it was when it raises; returns how many.

    `csv`: UTF-8 as spreadsheets read it, an attribute a column, cells that would compute defused with a "'". `parquet`: the same with the
    embeddings of the model in use, attributes as a map. `npy`: (n, embed_dim) float32, and beside it `NAME.ids.json` with the model's
    id and the items' ids and content hashes in the order of the rows; items without an embedding are left out. `folder`: the stored
    pictures and `items.csv`, which can be indexed again.

    Args:
        ids: these items in this order, instead of a filter; those not there any more are left out.
        overwrite: replace a file that is there; a folder that holds anything is never replaced.

    Raises:
        QueryError: `bad_request`, an unknown kind, a filter that is none, or something is at `path`. Stopped. StoreError.
    """
    writers: dict[str, Callable[[LiveApp, _Items, Path], None]] = {
        "csv": write_csv,
        "parquet": write_parquet,
        "npy": partial(write_npy, ids_path=path.with_suffix(IDS_SUFFIX)),
        "folder": write_folder,
    }
    if kind not in writers:
        raise QueryError("bad_request", f"{kind!r:.40} is no kind of export.", remedy=f"Choose one of {', '.join(KINDS)}.")
    if path.exists() and not (overwrite and path.is_file()) and not (kind == "folder" and _is_empty_folder(path)):
        raise QueryError("bad_request", f"{path} is there already.", remedy="Choose another name.")
    items = _Items(app, where, ids, on_progress, stop)
    with _draft(path) as draft:
        writers[kind](app, items, draft)
        return items.done


class _Items:
    """The items to be written, one after the other, with progress; may be gone through several times."""

    def __init__(
        self, app: LiveApp, where: Filter | None, ids: Sequence[int] | None, told: OnProgress, stop: threading.Event | None
    ) -> None:
        self.done = 0
        self._app, self._where, self._ids, self._told, self._stop = app, checked(where), ids, told, stop
        self._total = len(ids) if ids is not None else len(app.catalog.matching(self._where)) if where else app.catalog.count()

    def __iter__(self) -> Iterator[Item]:
        self.done = 0
        for page in self._pages():
            check_stop(self._stop, "The export")
            for item in page:
                self.done += 1
                yield item
            self._told(Progress("export", "Writing items", done=self.done, total=self._total))
        self._told(Progress("export", f"{self.done:,} items written", done=self.done, total=self.done, finished=True))

    def _pages(self) -> Iterator[list[Item]]:
        if self._ids is not None:
            for start in range(0, len(self._ids), _PAGE):
                yield self._app.catalog.items(self._ids[start : start + _PAGE])
            return
        after_id = 0
        while page := self._app.catalog.matching_page(_PAGE, after_id, self._where):
            yield page
            after_id = page[-1].item_id


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


@contextmanager
def _draft(path: Path) -> Iterator[Path]:
    """A place beside `path` to write to, which takes its name at the end and is swept away on an error."""
    draft = path.with_name(f".{path.stem}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield draft
        if path.is_dir():
            path.rmdir()  # an empty folder, as was looked
        draft.replace(path)
    except OSError as error:
        raise faults.of_os(error, path) from error
    finally:
        if draft.is_dir():
            shutil.rmtree(draft, ignore_errors=True)
        elif draft.exists():
            draft.unlink()
