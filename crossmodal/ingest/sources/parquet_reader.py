"""A Parquet file opened with bounds, its words row by row, and its pictures.

A few kilobytes can unpack to gigabytes: one long text that a dictionary gives to a million rows, texts written as what they add to the
one before, a list of very many texts. Therefore rows are measured before they are unpacked. `pyarrow.dataset.Scanner` would replace only
the loop over row groups, and reads ahead; the measuring would stay.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from crossmodal.errors import SourceError
from crossmodal.ingest.sources.base import SourceLimits, shown

# The pipeline requests pictures nearly in order, from several threads at once: a row requested late is still cached.
_ROWS_KEPT = 256
_BYTES_KEPT = 256 * 2**20
_BUFFER_BYTES = 2**20
# While they are measured, rows are a few numbers each; unpacked they are as long as they may be.
_ROWS_MEASURED = 2048
_ROWS_UNPACKED = 64
# On the average of a full catalogue; a list of texts is read as a whole before its rows can be told apart.
_TEXTS_A_ROW = 32

# A footer also lists the columns and the parts of the file, however few rows are allowed.
_LIST_ENTRIES = 10_000

Lengths = npt.NDArray[np.int64]


def opened(path: Path, *, limits: SourceLimits, folded: Sequence[str] = ()) -> pq.ParquetFile:
    """The file with its footer read, nothing else.

    Args:
        folded: leaves whose texts are read as a dictionary and a number a row, so that a text that many rows share is there once.

    Raises:
        SourceError: file_malformed, too_large (the file, or what a part of it says it unpacks to).
    """
    with translated(path):
        size = path.stat().st_size
        if size > limits.max_archive_bytes:
            raise SourceError("too_large", f"{shown(path.name)} is {size / 2**30:,.0f} GiB.", remedy="Split it.")
        file = pq.ParquetFile(
            path,
            read_dictionary=list(folded),
            buffer_size=_BUFFER_BYTES,
            pre_buffer=False,
            thrift_string_size_limit=limits.max_directory_bytes,
            thrift_container_size_limit=max(limits.max_rows, _LIST_ENTRIES),
        )
        for number in range(file.num_row_groups):
            unpacked = _suspicious_bytes(file.metadata.row_group(number), limits)
            if unpacked > limits.max_unpacked_bytes:
                what = f"A part of {shown(path.name)} unpacks to {unpacked / 2**20:,.0f} MiB, more than {limits.max_ratio} times its size."
                raise SourceError("too_large", what, remedy="Write it again with smaller row groups, or without the long texts.")
        return file


def rows_of(path: Path, leaves: Sequence[str], *, limits: SourceLimits) -> Iterator[dict[str, Any] | str]:
    """The rows of some leaves in their order: the values by column, or in a few words why the row is too long and was not unpacked.

    Args:
        leaves: at least one; none of them a picture's bytes.

    Raises:
        SourceError: file_malformed, too_large (what `opened` refuses, or lists of very many texts).
    """
    with translated(path):
        plain = opened(path, limits=limits)
        texts = _text_parts(plain, leaves)
        most = max((part.num_values for part in texts), default=0)
        if most > _TEXTS_A_ROW * limits.max_rows:
            raise SourceError("too_large", f"{shown(path.name)} has {most:,} texts in a part.", remedy="Leave that column out.")
        # Texts that are written as what they add to the one before are whole when they are read: then one row at a time is.
        growing = {part.path_in_schema for part in texts if "DELTA_BYTE_ARRAY" in part.encodings}
        file = opened(path, limits=limits, folded=sorted({part.path_in_schema for part in texts} - growing))
        batch_rows = 1 if growing else _ROWS_MEASURED
        # Group by group: Arrow cannot join two dictionaries inside a list.
        for group in range(file.num_row_groups):
            for batch in file.iter_batches(batch_size=batch_rows, row_groups=[group], columns=list(leaves), use_threads=False):
                yield from _unpacked(batch, limits)


def _text_parts(file: pq.ParquetFile, leaves: Sequence[str]) -> list[Any]:
    """The footer's entries, of every row group, for the text columns that are these leaves or are inside them."""
    columns = map(file.schema.column, range(len(file.schema)))
    places = [
        place
        for place, column in enumerate(columns)
        if column.logical_type.type == "STRING" and any(f"{column.path}.".startswith(f"{leaf}.") for leaf in leaves)
    ]
    return [file.metadata.row_group(group).column(place) for group in range(file.num_row_groups) for place in places]


def _suspicious_bytes(group: Any, limits: SourceLimits) -> int:
    """What those columns of a row group say they unpack to that are packed smaller than pictures and words are."""
    sizes = ((part.total_uncompressed_size, part.total_compressed_size) for part in map(group.column, range(group.num_columns)))
    return sum(size for size, packed in sizes if size > limits.max_ratio * packed)


def _unpacked(batch: pa.RecordBatch, limits: SourceLimits) -> Iterator[dict[str, Any] | str]:
    measures = [_lengths(column) for column in batch.columns]
    longest = np.max([longest for longest, _ in measures], axis=0)
    whole = np.sum([whole for _, whole in measures], axis=0)
    fits = (longest <= limits.max_field_chars) & (whole <= limits.max_row_chars)
    schema = pa.schema([field.with_type(_unfolded(field.type)) for field in batch.schema])
    for start in range(0, batch.num_rows, _ROWS_UNPACKED):
        some = slice(start, start + _ROWS_UNPACKED)
        values = iter(batch.slice(start, _ROWS_UNPACKED).filter(pa.array(fits[some])).cast(schema).to_pylist())
        for fit, chars in zip(fits[some], longest[some], strict=True):
            if fit:
                yield next(values)
            elif chars > limits.max_field_chars:
                yield f"has a cell of {chars:,} characters"
            else:
                yield f"is longer than {limits.max_row_chars:,} characters"


def _lengths(column: pa.Array) -> tuple[Lengths, Lengths]:
    """In characters, for each row of a column: its longest text, and all of it, where a further text in a list counts one more.

    Shape: (rows,) both. A cell that is empty, or no text, is 0 long.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        chars = _numbers(pc.take(pc.utf8_length(column.dictionary), column.indices))
        return chars, chars
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        chars = _numbers(pc.utf8_length(column))
        return chars, chars
    if pa.types.is_struct(kind):
        fields = [_lengths(field) for field in column.flatten()]
        return np.max([longest for longest, _ in fields], axis=0), np.sum([whole for _, whole in fields], axis=0)
    longest = np.zeros(len(column), np.int64)
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        return longest, longest
    chars, _ = _lengths(column.flatten())
    rows = np.repeat(np.arange(len(column)), _numbers(pc.list_value_length(column)))  # the row of each text
    np.maximum.at(longest, rows, chars)
    return longest, np.bincount(rows, weights=chars + 1, minlength=len(column)).astype(np.int64)


def _numbers(values: pa.Array) -> Lengths:
    return np.asarray(values.fill_null(0).to_numpy(zero_copy_only=False), np.int64)


def _unfolded(kind: pa.DataType) -> pa.DataType:
    """The same type with texts in place of numbers into a dictionary."""
    if pa.types.is_dictionary(kind):
        return kind.value_type
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_unfolded(field.type)) for field in kind])
    if pa.types.is_large_list(kind):
        return pa.large_list(kind.value_field.with_type(_unfolded(kind.value_type)))
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_unfolded(kind.value_type)))
    return kind


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Let Arrow's errors leave as ours. Raises SourceError `file_malformed`."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, KeyError, OverflowError) as error:
        raise SourceError(
            "file_malformed", f"{shown(path.name)} is not a sound Parquet file.", remedy="Download or write it again."
        ) from error


class PictureColumn:
    """The bytes in one column of a file, requested by row, nearly in order. Thread-safe.

    Read forward row by row; the last ones are kept, so memory does not grow with the file. A row further back is reached by reading its
    row group again.

    Args:
        leaf: the column, or `image.bytes` for a field of a struct.
    """

    def __init__(self, path: Path, leaf: str, *, limits: SourceLimits) -> None:
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
        """The bytes in a row, 0 = first; None for an empty cell. Raises SourceError `file_malformed`."""
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
        # One row at a time: a batch of pictures that share a dictionary may be far larger than in the file.
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
