"""Parquet files as a catalogue: Hugging Face's image struct, a column of bytes, or a column of paths or addresses."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from types import MappingProxyType
from typing import Any

from crossmodal.errors import CatalogueError
from crossmodal.ingest.archive_names import location_of
from crossmodal.ingest.catalogue import Entry
from crossmodal.ingest.limits import CatalogueLimits
from crossmodal.ingest.parquet_columns import ParquetColumns, read_columns
from crossmodal.ingest.parquet_file import PictureColumn, opened, rows_of
from crossmodal.ingest.wording import one_line, shown, title_from_location
from crossmodal.items import CatalogueRow, Failure

_YES = frozenset({"yes", "true", "1", "y"})
_MEND = "Repair the file, then index again."


class ParquetCatalogue:
    """A `Catalogue` read from one Parquet file, or from all in a folder (and in its folder `data`), in the order of their names.

    Columns are recognised as those of a CSV. The key of a row is its id; without one, the picture's path or address where the file only
    names it, with the title added for later rows that show the same picture under another title; and the file with the row's number in
    it where the file holds the picture. A row whose id an earlier one gave to something else is a failure.

    Args:
        path: a `.parquet` file, or a folder with some, all of the same columns.
        name: identity in the collection; None takes the absolute path.

    Raises:
        CatalogueError: file_malformed, too_large, csv_missing_columns, csv_no_rows.
    """

    kind = "parquet"

    def __init__(self, path: Path, *, limits: CatalogueLimits, name: str | None = None) -> None:
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
            raise CatalogueError("csv_no_rows", f"{shown(self.label)} has 0 rows.", remedy="Name a file with one row a picture.")
        self.columns: ParquetColumns = read_columns(opened(self._files[0], limits=limits).schema_arrow, label=self.label)
        leaf = self.columns.bytes_leaf
        self._pictures = [PictureColumn(file, leaf, limits=limits) for file in self._files] if leaf else []

    def survey(self) -> int:
        """How many rows there are, duplicates included, as the files say."""
        return sum(self._rows)

    def rows(self) -> Iterator[Entry]:
        """The rows, file by file, without their pictures; memory grows by the keys.

        Raises:
            CatalogueError: file_malformed, too_large, csv_too_many_rows, as soon as it is met.
        """
        self.duplicates = 0
        seen: dict[str, int] = {}
        for number, (label, values) in enumerate(self._values(), start=1):
            if number > self._limits.max_rows:
                raise CatalogueError(
                    "csv_too_many_rows",
                    f"{shown(self.label)} has more than {self._limits.max_rows:,} rows.",
                    remedy="Name fewer files, or raise CROSSMODAL_MAX_CATALOGUE_ROWS.",
                )
            entry = self._entry(label, values, number)
            if isinstance(entry, CatalogueRow):
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

    def held(self, row: CatalogueRow) -> bytes | None:
        """The bytes in a row's cell; None when the file only names the picture. Raises CatalogueError: file_malformed, too_large."""
        if not self._pictures:
            return None
        place = row.line - 1
        for pictures, count in zip(self._pictures, self._rows, strict=True):
            if place < count:
                data = pictures(place)
                if data is not None and len(data) > self._limits.max_image_bytes:
                    most = self._limits.max_image_bytes / 2**20
                    raise CatalogueError(
                        "too_large", f"{len(data):,} bytes; {most:,.1f} MiB are read at most.", remedy="Make it smaller."
                    )
                return data
            place -= count
        raise CatalogueError("file_malformed", f"{shown(self.label)} has no row {row.line}.", remedy=_MEND)

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
        return CatalogueRow(
            key=item_id or (label if self._pictures else place),
            title=words[0] if words else title_from_location(place or label),
            location=place if not self._pictures else location_of(place or label),
            line=number,
            captions=words if len(words) > 1 else (),
            attributes=MappingProxyType(attributes),
            held_out=held_out,
        )

    def _named_twice(self, row: CatalogueRow, label: str) -> Failure:
        return Failure(
            key=label,
            catalogue=self.name,
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


def _content(row: CatalogueRow) -> tuple[object, ...]:
    """All of a row but its identity and its picture; rows that hold a picture differ by their place, for its bytes are not read here."""
    return (row.title, row.location, row.captions, tuple(row.attributes.items()), row.held_out)


def _leaf(values: dict[str, Any], leaf: str) -> Any:
    column, _, field = leaf.partition(".")
    value = values.get(leaf) if leaf in values else values.get(column)
    return value.get(field) if isinstance(value, dict) else value


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()
