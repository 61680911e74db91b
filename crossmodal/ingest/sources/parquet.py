"""Parquet files as a catalogue: Hugging Face's image struct, a column of bytes, or a column of paths or addresses."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from crossmodal.errors import SourceError
from crossmodal.ingest.sources.archives import location_of
from crossmodal.ingest.sources.base import Entry, SourceLimits, shown
from crossmodal.ingest.sources.csv_columns import CAPTION_NAMES, HELD_OUT_NAMES, ID_NAMES, PICTURE_NAMES, TITLE_NAMES
from crossmodal.ingest.sources.parquet_reader import PictureColumn, opened, rows_of
from crossmodal.items import Failure, SourceRow
from crossmodal.text.cleaning import one_line, title_from_location

# img2dataset names the column of the bytes by the format.
_BYTES_NAMES = (*PICTURE_NAMES, "imagebytes", "bytes", "jpg", "jpeg", "png", "webp")


@dataclass(frozen=True, slots=True)
class ParquetColumns:
    """Names of the columns, and of the leaves in them that are read.

    Attributes:
        bytes_leaf: column with a row's picture; empty if the file only names pictures.
        place_leaf: column with a row's path or address; empty if the file only holds pictures.
        words: titles or captions; None when there are none. A list of texts is several captions.
        attributes: columns of plain values without another meaning, the id included.
    """

    bytes_leaf: str
    place_leaf: str
    words: str | None
    item_id: str | None
    held_out: str | None
    attributes: tuple[str, ...]

    @property
    def cheap_leaves(self) -> list[str]:
        """All that is read but the pictures themselves."""
        named = [self.place_leaf, self.words, self.item_id, self.held_out, *self.attributes]
        return list(dict.fromkeys(name for name in named if name))


def read_columns(schema: pa.Schema, *, label: str) -> ParquetColumns:
    """The meaning of a schema.

    Args:
        label: name of the file, for the message.

    Raises:
        SourceError: csv_missing_columns, there is no column for the pictures.
    """
    kinds = {field.name: field.type for field in schema}
    held = _first([name for name in kinds if _holds_bytes(kinds[name])], _BYTES_NAMES) or next(
        (name for name in kinds if pa.types.is_struct(kinds[name]) and _holds_bytes(kinds[name])), None
    )
    texts = [name for name in kinds if _is_text(kinds[name])]
    named = _first(texts, PICTURE_NAMES)
    if held is None and named is None:
        raise SourceError(
            "csv_missing_columns",
            f"{shown(label)} has no column of pictures; it has {', '.join(shown(name, most=30) for name in list(kinds)[:12])}.",
            remedy='Name the column "image" (bytes, or a struct of bytes and path) or "url".',
        )
    spoken = [name for name in kinds if _is_text(kinds[name]) or _is_texts(kinds[name])]
    words = _first(spoken, TITLE_NAMES) or _first(spoken, CAPTION_NAMES)
    plain = [name for name in kinds if name not in (held, named, words) and _is_plain(kinds[name])]
    held_out = _first(plain, HELD_OUT_NAMES)
    struct = held is not None and pa.types.is_struct(kinds[held])
    place = f"{held}.path" if struct and _has_path(kinds[held]) else "" if held else named or ""
    return ParquetColumns(
        bytes_leaf="" if held is None else f"{held}.bytes" if struct else held,
        place_leaf=place,
        words=words,
        item_id=_first(plain, ID_NAMES),
        held_out=held_out,
        attributes=tuple(name for name in (*plain, *((named,) if named and named != place else ())) if name and name != held_out),
    )


def _first(names: Sequence[str], wanted: Sequence[str]) -> str | None:
    plain = {"".join(letter for letter in name.casefold() if letter not in " _-."): name for name in reversed(names)}
    return next((plain[name] for name in wanted if name in plain), None)


def _is_text(kind: pa.DataType) -> bool:
    return (
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or (pa.types.is_dictionary(kind) and _is_text(kind.value_type))
    )


def _is_texts(kind: pa.DataType) -> bool:
    return (pa.types.is_list(kind) or pa.types.is_large_list(kind)) and _is_text(kind.value_type)


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 and _is_bytes(kind.field("bytes").type)
    return _is_bytes(kind)


def _has_path(kind: pa.DataType) -> bool:
    return kind.get_field_index("path") >= 0 and _is_text(kind.field("path").type)


def _is_plain(kind: pa.DataType) -> bool:
    numbers = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_temporal, pa.types.is_decimal)
    return _is_text(kind) or any(bool(check(kind)) for check in numbers)


_YES = frozenset({"yes", "true", "1", "y"})
_MEND = "Repair the file, then index again."


class ParquetSource:
    """A `Catalogue` read from one Parquet file, or from all in a folder (and in its folder `data`), in the order of their names.

    Columns are recognised as those of a CSV. The key of a row is its id; without one, the picture's path or address where the file only
    names it, with the title added for later rows that show the same picture under another title; and the file with the row's number in
    it where the file holds the picture. A row whose id an earlier one gave to something else is a failure.

    Args:
        path: a `.parquet` file, or a folder with some, all of the same columns.
        name: identity in the collection; None takes the absolute path.

    Raises:
        SourceError: file_malformed, too_large, csv_missing_columns, csv_no_rows.
    """

    kind = "parquet"

    def __init__(self, path: Path, *, limits: SourceLimits, name: str | None = None) -> None:
        self.path = path.resolve()
        self.folder = self.path if self.path.is_dir() else self.path.parent
        self.name = name or str(self.path)
        self.label = self.path.name
        self.location = str(self.path)
        self.duplicates = 0
        self._limits = limits
        self._files = parquet_files_in(self.path) if self.path.is_dir() else [self.path]
        self._rows = [opened(file, limits=limits).metadata.num_rows for file in self._files]
        if not sum(self._rows):
            raise SourceError("csv_no_rows", f"{shown(self.label)} has 0 rows.", remedy="Name a file with one row a picture.")
        self.columns: ParquetColumns = read_columns(opened(self._files[0], limits=limits).schema_arrow, label=self.label)
        leaf = self.columns.bytes_leaf
        self._pictures = [PictureColumn(file, leaf, limits=limits) for file in self._files] if leaf else []

    def survey(self) -> int:
        """How many rows there are, duplicates included, as the files say."""
        return sum(self._rows)

    def rows(self) -> Iterator[Entry]:
        """The rows, file by file, without their pictures; memory grows by the keys.

        Raises:
            SourceError: file_malformed, too_large, csv_too_many_rows, as soon as it is met.
        """
        self.duplicates = 0
        seen: dict[str, int] = {}
        for number, (label, values) in enumerate(self._values(), start=1):
            if number > self._limits.max_rows:
                raise SourceError(
                    "csv_too_many_rows",
                    f"{shown(self.label)} has more than {self._limits.max_rows:,} rows.",
                    remedy="Name fewer files, or raise CROSSMODAL_MAX_CATALOGUE_ROWS.",
                )
            entry = self._entry(label, values, number)
            if isinstance(entry, SourceRow):
                has_id = entry.key not in (label, entry.location)
                content = hash(_content(entry)) if has_id else hash(entry.title)
                if not has_id and seen.get(entry.key, content) != content:
                    entry = replace(entry, key=f"{entry.key}\n{entry.title}")
                if entry.key not in seen:
                    seen[entry.key] = content
                elif seen[entry.key] == content:
                    self.duplicates += 1
                    continue
                else:
                    entry = self._named_twice(entry, label)
            yield entry

    def held(self, row: SourceRow) -> bytes | None:
        """The bytes in a row's cell; None when the file only names the picture. Raises SourceError: file_malformed, too_large."""
        if not self._pictures:
            return None
        place = row.line - 1
        for pictures, count in zip(self._pictures, self._rows, strict=True):
            if place < count:
                data = pictures(place)
                if data is not None and len(data) > self._limits.max_image_bytes:
                    most = self._limits.max_image_bytes / 2**20
                    raise SourceError(
                        "too_large", f"{len(data):,} bytes; {most:,.1f} MiB are read at most.", remedy="Make it smaller."
                    )
                return data
            place -= count
        raise SourceError("file_malformed", f"{shown(self.label)} has no row {row.line}.", remedy=_MEND)

    def _values(self) -> Iterator[tuple[str, dict[str, Any] | str]]:
        """Each row's place, by its number in its own file: that stays when a file comes before it. With the row's values, or its fault."""
        leaves = self.columns.cheap_leaves
        for file, count in zip(self._files, self._rows, strict=True):
            rows = rows_of(file, leaves, limits=self._limits) if leaves else repeat({}, count)
            yield from ((f"{file.name}, row {number}", values) for number, values in enumerate(rows, start=1))

    def _entry(self, label: str, values: dict[str, Any] | str, number: int) -> Entry:
        if isinstance(values, str):
            return Failure(label, self.name, "", "", "csv_field_too_large", f"{label}, {values}.", _MEND)
        place = one_line(_text(_leaf(values, self.columns.place_leaf)))
        words = self._words(values)
        if not place and not self._pictures:
            return Failure(label, self.name, "", words[0] if words else "", "row_errors", f"{label}, names no picture.", _MEND)
        item_id = one_line(_text(values.get(self.columns.item_id))) if self.columns.item_id else ""
        attributes = {name: text for name in self.columns.attributes if (text := _text(values.get(name)))}
        held_out = self.columns.held_out is not None and _text(values.get(self.columns.held_out)).casefold() in _YES
        return SourceRow(
            key=item_id or (label if self._pictures else place),
            title=words[0] if words else title_from_location(place or label),
            location=place if not self._pictures else location_of(place or label),
            line=number,
            captions=words if len(words) > 1 else (),
            attributes=MappingProxyType(attributes),
            held_out=held_out,
        )

    def _named_twice(self, row: SourceRow, label: str) -> Failure:
        return Failure(
            key=label,
            source=self.name,
            location=row.location,
            title=row.title,
            code="row_errors",
            reason=f"{label}, has the id {shown(row.key)}, which an earlier row has already.",
            remedy="Give each row an id of its own, then index again.",
        )

    def _words(self, values: dict[str, Any]) -> tuple[str, ...]:
        value = values.get(self.columns.words) if self.columns.words else None
        texts = value if isinstance(value, list) else [value]
        return tuple(text for text in (one_line(_text(each)) for each in texts) if text)


def parquet_files_in(folder: Path) -> list[Path]:
    """The Parquet files of a folder, or of its folder `data`, by name; hidden ones are passed over."""
    for place in (folder, folder / "data"):
        found = sorted(path for path in place.glob("*.parquet") if not path.name.startswith(".") and path.is_file())
        if found:
            return found
    return []


def _content(row: SourceRow) -> tuple[object, ...]:
    """All of a row but its identity and its picture; rows that hold a picture differ by their place, for its bytes are not read here."""
    return (row.title, row.location, row.captions, tuple(row.attributes.items()), row.held_out)


def _leaf(values: dict[str, Any], leaf: str) -> Any:
    column, _, field = leaf.partition(".")
    value = values.get(leaf) if leaf in values else values.get(column)
    return value.get(field) if isinstance(value, dict) else value


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()
