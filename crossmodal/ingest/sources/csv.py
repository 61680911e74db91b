"""CSV source: `title,imgUrl` with further columns as attributes, or `image,caption` with several captions per picture."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from crossmodal.errors import SourceError
from crossmodal.ingest.sources.base import Entry, SourceLimits, Unread, shown, unread
from crossmodal.ingest.sources.csv_columns import (
    CAPTIONS_BETWEEN,
    DELIMITERS,
    Columns,
    captions_of,
    is_header,
    read_columns,
    restored,
)
from crossmodal.ingest.sources.csv_reader import Record, RecordReader, encoding_error, open_csv_text
from crossmodal.items import Failure, SourceRow
from crossmodal.text.cleaning import one_line, title_from_location


class CsvTable:
    """The table in a CSV file. The delimiter is the one of `,` `;` tab `|` that gives a valid header.

    Blank lines, comments ("# exported") and spreadsheet hints ("sep=;") before the header are skipped.

    Raises:
        SourceError: the file cannot be opened, is not a CSV, or its header lacks or repeats a column.
    """

    def __init__(self, path: Path, *, limits: SourceLimits) -> None:
        self.path = path
        self._limits = limits
        headers = {delimiter: self._header(delimiter) for delimiter in DELIMITERS}
        self._delimiter = next((delimiter for delimiter, header in headers.items() if is_header(header.cells)), DELIMITERS[0])
        header = headers[self._delimiter]
        if header.problem:
            raise SourceError(
                header.code, f"Line {header.line} of {shown(path.name)} {header.problem}.", remedy="Repair that line."
            )
        self.columns: Columns = read_columns(header.cells, limits=limits)

    def records(self) -> Iterator[Record]:
        """The rows after the header, in the file's order.

        Raises:
            SourceError: csv_encoding, csv_malformed or csv_too_many_rows, when encountered.
        """
        for count, record in enumerate(self._after_header(self._delimiter)):
            if count > self._limits.max_rows:
                raise SourceError(
                    "csv_too_many_rows",
                    f"{shown(self.path.name)} has more than {self._limits.max_rows:,} rows.",
                    remedy="Split it, or raise CROSSMODAL_MAX_CATALOGUE_ROWS.",
                )
            if count:
                yield record

    def _header(self, delimiter: str) -> Record:
        header = next(self._after_header(delimiter), None)
        if header is None:
            raise SourceError(
                "csv_empty",
                f"{shown(self.path.name)} has only blank lines.",
                remedy="It needs a line with the column names and one line per picture.",
            )
        return header

    def _after_header(self, delimiter: str) -> Iterator[Record]:
        """The header and what follows."""
        with open_csv_text(self.path, limits=self._limits) as text:
            begun = False
            try:
                for record in RecordReader(text, delimiter=delimiter, limits=self._limits):
                    begun = begun or not _is_preface(record)
                    if begun:
                        yield record
            except UnicodeDecodeError as error:
                raise encoding_error(self.path, limits=self._limits) from error


def _is_preface(record: Record) -> bool:
    start = record.cells[0].casefold() if record.cells else ""
    return start.startswith("sep=") or (start.startswith("#") and not is_header(record.cells))


# Placeholders that programs write for missing values; never the name of a picture.
_NOTHING = frozenset({"", "nan", "none", "null", "nil", "na", "n/a", "#n/a", "<na>", "-", "--", "0", "undefined"})
_YES = frozenset({"yes", "true", "1", "y"})
_FIX_LINE = "Repair that line of the CSV, then index again."


class CsvSource:
    """A source read from a CSV. Cells stay text ("007" stays "007", and "NA" is a valid product name).

    A row's key is its id (column `id`, `asin`, ...), otherwise its picture's location; later rows with the same picture and another
    title have the title added to the key. In the `image,caption` layout the key is the location, and the rows of one picture form one item
    with all of their captions and the first as title. The CSV of an exported collection restores the texts of its items exactly.

    Args:
        path: the file.
        name: identity in the collection; None takes the absolute path.

    Raises:
        SourceError: the file is missing, is not a CSV, lacks a column, or has no rows.
    """

    kind = "csv"

    def __init__(self, path: Path, *, limits: SourceLimits, name: str | None = None) -> None:
        self.path = path.resolve()
        self.folder = self.path.parent
        self.name = name or str(self.path)
        self.label = self.path.name
        self.location = str(self.path)
        self.duplicates = 0
        self._table = CsvTable(self.path, limits=limits)
        if next(self._table.records(), None) is None:
            raise SourceError("csv_no_rows", f"{shown(self.label)} has a header and 0 rows.", remedy="Add one line per picture.")

    @property
    def columns(self) -> Columns:
        """What the columns mean."""
        return self._table.columns

    def survey(self) -> int:
        """Count the entries of `rows` by reading the file once, without storing it."""
        return sum(1 for _ in self.rows())

    def rows(self) -> Iterator[Entry]:
        """Yield rows in file order (with captions: in the order of each picture's first row).

        Memory grows with the keys of the rows; in the captions layout with all text, because captions of a picture may be scattered.

        Raises:
            SourceError: csv_encoding, csv_malformed or csv_too_many_rows, when encountered.
        """
        self.duplicates = 0
        return self._captioned() if self.columns.captions else self._titled()

    def _titled(self) -> Iterator[Entry]:
        seen: dict[str, int] = {}
        for record in self._table.records():
            entry = self._entry(record)
            if isinstance(entry, SourceRow):
                if not entry.title and not self._is_said(record):
                    entry = replace(entry, title=title_from_location(entry.location))
                has_id = entry.key != entry.location
                content = hash(tuple(record.cells)) if has_id else hash(entry.title)
                if not has_id and seen.get(entry.key, content) != content:
                    entry = replace(entry, key=f"{entry.key}\n{entry.title}")
                if entry.key not in seen:
                    seen[entry.key] = content
                elif seen[entry.key] == content:
                    self.duplicates += 1
                    continue
                else:
                    entry = self._named_twice(entry)
            yield entry

    def _captioned(self) -> Iterator[Entry]:
        first: dict[str, SourceRow] = {}
        texts: dict[str, dict[str, None]] = {}
        for record in self._table.records():
            entry = self._entry(record)
            if isinstance(entry, Failure):
                yield entry
                continue
            first.setdefault(entry.key, entry)
            known = texts.setdefault(entry.key, {})
            self.duplicates += entry.title in known
            known[entry.title] = None
        for key, row in first.items():
            captions = tuple(text for text in texts.pop(key) if text)
            yield replace(row, title=captions[0] if captions else title_from_location(row.location), captions=captions)

    def _entry(self, record: Record) -> Entry:
        columns, cells = self.columns, record.cells
        if record.problem:
            return self._failure(record, record.code, f"Line {record.line} {record.problem}.")
        while len(cells) > len(columns.names) and not cells[-1]:
            cells.pop()
        if len(cells) != len(columns.names):
            return self._failure(
                record, "row_errors", f"Line {record.line} has {len(cells)} cells, the header has {len(columns.names)}."
            )
        location = cells[columns.picture]
        if location.casefold() in _NOTHING or not one_line(location):
            what = f"{shown(location)} instead of a picture address" if one_line(location) else "no picture address"
            return self._failure(record, "row_errors", f"Line {record.line} has {what}.")
        item_id = cells[columns.item_id] if columns.item_id is not None else ""
        return SourceRow(
            key=item_id or location,
            title=self._title(cells),
            location=location,
            line=record.line,
            captions=self._captions(cells),
            attributes=MappingProxyType({name: self._text(cells[place]) for place, name in columns.attributes if cells[place]}),
            held_out=columns.held_out is not None and cells[columns.held_out].casefold() in _YES,
        )

    def _captions(self, cells: list[str]) -> tuple[str, ...]:
        """The captions that an export stores in one cell; other files have none or use the captions layout."""
        place = self.columns.exported_captions
        if self.columns.restorable and place is not None:
            return captions_of(cells[place])
        return () if place is None else tuple(text for text in map(one_line, cells[place].split(CAPTIONS_BETWEEN)) if text)

    def _title(self, cells: list[str]) -> str:
        cell = cells[self.columns.words]
        return restored(cell) if self.columns.restorable else one_line(cell)

    def _text(self, cell: str) -> str:
        return restored(cell) if self.columns.restorable else cell

    def _is_said(self, record: Record) -> bool:
        """Whether an empty title was exported as empty."""
        return self.columns.restorable and record.cells[self.columns.words] != ""

    def _failure(self, record: Record, code: str, reason: str) -> Unread:
        columns = self.columns
        cells = record.cells if len(record.cells) == len(columns.names) else None
        failure = Failure(
            key=f"line {record.line}",
            source=self.name,
            location=cells[columns.picture] if cells else "",
            title=self._title(cells) if cells else "",
            code=code,
            reason=reason,
            remedy=_FIX_LINE,
        )
        # With a wrong number of cells, any cell may be the key; an unreadable line may be any row.
        keys = record.cells if cells is None or columns.item_id is None else [cells[columns.item_id]]
        return unread(failure, *(filter(None, keys) if record.cells else [""]))

    def _named_twice(self, row: SourceRow) -> Failure:
        return Failure(
            key=f"line {row.line}",
            source=self.name,
            location=row.location,
            title=row.title,
            code="row_errors",
            reason=f"Line {row.line} has the id {shown(row.key)}, which an earlier line uses for something else.",
            remedy="Give each row a unique id, then index again.",
        )
