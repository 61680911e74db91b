"""From text to rows of cells, one at a time, each with the line it began on; a broken row never swallows its neighbours."""

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

from crossmodal.errors import CatalogueError
from crossmodal.ingest.limits import CatalogueLimits

# A bad quotation mark makes the reader look ahead and come back; this many times the longest row may be read again in one file.
_REREAD_ROWS = 64


@dataclass(frozen=True, slots=True)
class Record:
    """A row that is not blank. With a `problem` (why it cannot be read) its cells are empty and `code` is from the closed list.

    Attributes:
        line: line of the file it began on, 1 = first.
        cells: stripped of surrounding white space.
    """

    line: int
    cells: list[str]
    code: str = ""
    problem: str = ""


class _RowTooLongError(Exception):
    """The row being read spans more than the limits allow."""


class RecordReader:
    """Iterates over the rows of a CSV as RFC 4180 describes them, strict about quotation marks.

    After a quotation mark that is never closed (or closed in the middle of a word) only the line it stands on is lost: reading goes
    on with the next line. Looking ahead is bounded for a row by `max_row_lines` and `max_row_chars` and for the file, so that a
    hostile file costs linear time. Blank lines are left out.

    Args:
        text: opened with `newline=""`; may raise `UnicodeDecodeError`, which passes through.
        delimiter: one character.

    Raises:
        CatalogueError: csv_malformed, while iterating: there are so many broken quotation marks that this is no CSV.
    """

    def __init__(self, text: TextIO, *, delimiter: str, limits: CatalogueLimits) -> None:
        self._text = text
        self._delimiter = delimiter
        self._limits = limits
        self._again: deque[str] = deque()
        self._line = 0
        self._read_again = 0

    def __iter__(self) -> Iterator[Record]:
        while line := self._next_line():
            record = self._record(line)
            if record is not None:
                yield record

    def _record(self, line: str) -> Record | None:
        began = self._line
        if len(line) > self._limits.max_row_chars:
            self._skip_rest_of_line(line)
            return Record(began, [], "csv_field_too_large", f"is longer than {self._limits.max_row_chars:,} characters")
        if not line.strip():
            return None
        if '"' not in line:
            return self._checked(began, line.split(self._delimiter), [line])
        return self._quoted(began, line)

    def _quoted(self, began: int, line: str) -> Record:
        used = [line]
        rows = csv.reader(self._lines_of_row(used), delimiter=self._delimiter, strict=True, skipinitialspace=True)
        try:
            cells = next(rows)
        except (csv.Error, _RowTooLongError) as error:
            self._put_back(used[1:])
            if "field larger" in str(error):
                return Record(
                    began, [], "csv_field_too_large", f"has a cell of more than {self._limits.max_field_chars:,} characters"
                )
            closed_early = "expected after" in str(error) and len(used) == 1
            problem = "has text after a closing quotation mark" if closed_early else "has a quotation mark that is not closed"
            return Record(began, [], "csv_malformed", problem)
        return self._checked(began, cells, used)

    def _checked(self, began: int, cells: list[str], lines: list[str]) -> Record:
        if sum(map(len, lines)) > self._limits.max_field_chars and max(map(len, cells)) > self._limits.max_field_chars:
            return Record(began, [], "csv_field_too_large", f"has a cell of more than {self._limits.max_field_chars:,} characters")
        if any("\0" in line for line in lines):
            return Record(began, [], "csv_malformed", "holds a NUL character")
        return Record(began, [cell.strip() for cell in cells])

    def _lines_of_row(self, used: list[str]) -> Iterator[str]:
        yield used[0]
        chars = len(used[0])
        while line := self._next_line():
            used.append(line)
            chars += len(line)
            if len(used) > self._limits.max_row_lines or chars > self._limits.max_row_chars:
                raise _RowTooLongError
            yield line

    def _next_line(self) -> str:
        line = self._again.popleft() if self._again else self._text.readline(self._limits.max_row_chars + 1)
        self._line += bool(line)
        return line

    def _put_back(self, lines: list[str]) -> None:
        self._again.extendleft(reversed(lines))
        self._line -= len(lines)
        self._read_again += sum(map(len, lines))
        if self._read_again > _REREAD_ROWS * self._limits.max_row_chars:
            raise CatalogueError(
                "csv_malformed",
                f"Up to line {self._line} too many quotation marks are never closed.",
                remedy="Export the table again; a quotation mark inside a cell is written twice.",
            )

    def _skip_rest_of_line(self, line: str) -> None:
        while line and not line.endswith(("\n", "\r")):
            line = self._text.readline(self._limits.max_row_chars)
