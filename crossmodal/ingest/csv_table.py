"""A CSV file as a header and data rows, before anybody asks what they mean."""

from collections.abc import Iterator
from pathlib import Path

from crossmodal.errors import CatalogueError
from crossmodal.ingest.csv_columns import DELIMITERS, Columns, is_header, read_columns
from crossmodal.ingest.csv_file import encoding_error, open_csv_text
from crossmodal.ingest.csv_records import Record, RecordReader
from crossmodal.ingest.limits import CatalogueLimits
from crossmodal.ingest.wording import shown


class CsvTable:
    """The table in a file: its delimiter is the one (of `,` `;` tab `|`) that makes sense of the header.

    Lines before the header that are blank, a comment ("# exported") or a spreadsheet's hint ("sep=;") are left out.

    Raises:
        CatalogueError: the file cannot be opened, is not a CSV, or its header lacks a column or names one twice.
    """

    def __init__(self, path: Path, *, limits: CatalogueLimits) -> None:
        self.path = path
        self._limits = limits
        headers = {delimiter: self._header(delimiter) for delimiter in DELIMITERS}
        self._delimiter = next((delimiter for delimiter, header in headers.items() if is_header(header.cells)), DELIMITERS[0])
        header = headers[self._delimiter]
        if header.problem:
            raise CatalogueError(
                header.code, f"Line {header.line} of {shown(path.name)} {header.problem}.", remedy="Repair that line."
            )
        self.columns: Columns = read_columns(header.cells, limits=limits)

    def records(self) -> Iterator[Record]:
        """The rows after the header, in the file's order.

        Raises:
            CatalogueError: csv_encoding, csv_malformed or csv_too_many_rows, as soon as it is met.
        """
        for count, record in enumerate(self._after_header(self._delimiter)):
            if count > self._limits.max_rows:
                raise CatalogueError(
                    "csv_too_many_rows",
                    f"{shown(self.path.name)} has more than {self._limits.max_rows:,} rows.",
                    remedy="Split it, or raise CROSSMODAL_MAX_CATALOGUE_ROWS.",
                )
            if count:
                yield record

    def _header(self, delimiter: str) -> Record:
        header = next(self._after_header(delimiter), None)
        if header is None:
            raise CatalogueError(
                "csv_empty",
                f"{shown(self.path.name)} holds blank lines only.",
                remedy="It needs a line with the columns' names and one line a picture.",
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
