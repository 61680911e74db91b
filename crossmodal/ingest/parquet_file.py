"""A Parquet file opened with bounds, and its pictures row by row."""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from crossmodal.errors import CatalogueError
from crossmodal.ingest.limits import CatalogueLimits
from crossmodal.ingest.wording import shown

# The pipeline asks for pictures nearly in their order, from some threads at once: a row asked for late is still here.
_ROWS_KEPT = 256
_BYTES_KEPT = 256 * 2**20
_BUFFER_BYTES = 2**20


def opened(path: Path, *, limits: CatalogueLimits) -> pq.ParquetFile:
    """The file with its footer read, nothing else.

    Raises:
        CatalogueError: file_malformed, too_large (the file, or what a part of it says it unpacks to).
    """
    with translated(path):
        size = path.stat().st_size
        if size > limits.max_archive_bytes:
            raise CatalogueError("too_large", f"{shown(path.name)} is {size / 2**30:,.0f} GiB.", remedy="Split it.")
        return pq.ParquetFile(
            path,
            buffer_size=_BUFFER_BYTES,
            pre_buffer=False,
            thrift_string_size_limit=limits.max_directory_bytes,
            thrift_container_size_limit=limits.max_rows,
        )


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Let Arrow's errors leave as ours. Raises CatalogueError `file_malformed`."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, KeyError, OverflowError) as error:
        raise CatalogueError(
            "file_malformed", f"{shown(path.name)} is not a sound Parquet file.", remedy="Download or write it again."
        ) from error


class PictureColumn:
    """The bytes in one column of a file, asked for by row, nearly in order. Safe to use from several threads.

    Read forward row by row; the last ones are kept, so memory does not grow with the file. A row further back is reached by reading its
    row group again.

    Args:
        leaf: the column, or `image.bytes` for a field of a struct.
    """

    def __init__(self, path: Path, leaf: str, *, limits: CatalogueLimits) -> None:
        self._path = path
        self._leaf = leaf
        self._limits = limits
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, bytes | None] = OrderedDict()
        self._kept_bytes = 0
        self._file: pq.ParquetFile | None = None
        self._starts: list[int] = []
        self._stream: Iterator[tuple[int, bytes | None]] = iter(())
        self._next = -1

    def __call__(self, row: int) -> bytes | None:
        """The bytes in a row, 0 = first; None for an empty cell. Raises CatalogueError `file_malformed`."""
        with self._lock, translated(self._path):
            if row not in self._kept:
                self._read_to(row)
            return self._kept[row]

    def _read_to(self, row: int) -> None:
        if self._file is None:
            self._file = opened(self._path, limits=self._limits)
            self._starts = [0]
            for group in range(self._file.num_row_groups):
                self._starts.append(self._starts[-1] + self._file.metadata.row_group(group).num_rows)
        if not 0 <= row < self._starts[-1]:
            raise KeyError(row)
        group = max(number for number, start in enumerate(self._starts[:-1]) if start <= row)
        if not self._starts[group] <= self._next <= row:
            self._stream, self._next = self._rows_from(group), self._starts[group]
        for number, data in self._stream:
            self._next = number + 1
            self._keep(number, data)
            if number == row:
                return
        raise KeyError(row)

    def _rows_from(self, group: int) -> Iterator[tuple[int, bytes | None]]:
        assert self._file is not None
        groups = list(range(group, self._file.num_row_groups))
        number = self._starts[group]
        column, _, field = self._leaf.partition(".")
        # One row at a time: a batch of pictures that share a dictionary may be far larger than it lies in the file.
        for batch in self._file.iter_batches(batch_size=1, row_groups=groups, columns=[self._leaf], use_threads=False):
            values = batch.column(column)
            for cell in values.field(field) if field else values:
                yield number, cell.as_py()
                number += 1

    def _keep(self, row: int, data: bytes | None) -> None:
        self._kept[row] = data
        self._kept_bytes += len(data or b"")
        while len(self._kept) > _ROWS_KEPT or (self._kept_bytes > _BYTES_KEPT and len(self._kept) > 1):
            _, old = self._kept.popitem(last=False)
            self._kept_bytes -= len(old or b"")
