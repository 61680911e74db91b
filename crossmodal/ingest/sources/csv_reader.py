"""Open a CSV as text, with size limit and file type check, and parse its records with bounded effort."""

import codecs
import csv
import io
import os
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from crossmodal.errors import SourceError
from crossmodal.ingest.sources.base import SourceLimits, shown

_SAVE_AS_CSV = "Open it in its program and save it as CSV UTF-8."
_SAVE_AS_UTF8 = 'Save it again as "CSV UTF-8": in a spreadsheet under Save as, in a text editor under Encoding.'
# code, first bytes, what it is, remedy
_OTHER_KINDS = (
    ("unsupported_format", b"\x1f\x8b", "a gzip archive", "Unpack it first."),
    ("unsupported_format", b"BZh", "a bzip2 archive", "Unpack it first."),
    ("unsupported_format", b"\xfd7zXZ", "an xz archive", "Unpack it first."),
    ("unsupported_format", b"\x28\xb5\x2f\xfd", "a Zstandard archive", "Unpack it first."),
    ("unsupported_format", b"7z\xbc\xaf", "a 7-Zip archive", "Unpack it first."),
    ("unsupported_format", b"Rar!", "a RAR archive", "Unpack it first."),
    ("csv_malformed", b"\xd0\xcf\x11\xe0", "an old Excel file (.xls)", _SAVE_AS_CSV),
    ("csv_malformed", b"\x89PNG", "a PNG picture", "Give the folder it is in, or a CSV file."),
    ("csv_malformed", b"\xff\xd8\xff", "a JPEG picture", "Give the folder it is in, or a CSV file."),
    ("csv_malformed", b"GIF8", "a GIF picture", "Give the folder it is in, or a CSV file."),
    ("csv_malformed", b"RIFF", "a picture or a sound (RIFF)", "Give the folder it is in, or a CSV file."),
    ("csv_malformed", b"%PDF", "a PDF document", _SAVE_AS_CSV),
    ("csv_malformed", b"PAR1", "a Parquet file", _SAVE_AS_CSV),
    ("csv_malformed", b"SQLite format 3", "an SQLite database", _SAVE_AS_CSV),
)
# The byte order mark of UTF-32 starts with that of UTF-16, so the order matters.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def open_csv_text(path: Path, *, limits: SourceLimits) -> TextIO:
    """Open a CSV as text, with line ends unchanged. The caller closes it.

    The encoding is UTF-8, or UTF-16 or UTF-32 if a byte order mark says so. Nothing else is guessed, because a wrong guess would store
    wrong letters. The file type is checked before any text is read.

    Reading may raise `UnicodeDecodeError`; `encoding_error` then gives the line.

    Raises:
        SourceError: file_missing, too_large, csv_empty, csv_encoding, or another kind of file than a CSV (csv_malformed,
            unsupported_format; the message says which kind).
    """
    raw = _open_plain_file(path, limits=limits)
    try:
        head = raw.peek(8192)
        _refuse_other_kinds(head, path)
        encoding = next((name for mark, name in _MARKS if head.startswith(mark)), "utf-8")
        if encoding == "utf-8" and head.count(0) > len(head) // 4:
            raise SourceError("csv_encoding", f"{shown(path.name)} is not UTF-8 text.", remedy=_SAVE_AS_UTF8)
        return io.TextIOWrapper(raw, encoding=encoding, errors="strict", newline="")
    except BaseException:
        raw.close()
        raise


def encoding_error(path: Path, *, limits: SourceLimits) -> SourceError:
    """The error for text that cannot be decoded, with the first affected line (1 = header) if known."""
    with _open_plain_file(path, limits=limits) as raw:
        number = 0
        while line := raw.readline(limits.max_row_chars):
            number += line.endswith(b"\n")
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                here = number + (not line.endswith(b"\n"))
                return SourceError("csv_encoding", f"Line {here} of {shown(path.name)} is not UTF-8 text.", remedy=_SAVE_AS_UTF8)
    return SourceError(
        "csv_encoding", f"{shown(path.name)} is not valid text of the encoding it is marked with.", remedy=_SAVE_AS_UTF8
    )


def _open_plain_file(path: Path, *, limits: SourceLimits) -> io.BufferedReader:
    try:
        # Without O_NONBLOCK, opening a named pipe would block forever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise SourceError(
            "file_missing", f"{shown(str(path))} cannot be opened: {error.strerror}.", remedy="Check the path and its permissions."
        ) from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise SourceError("csv_malformed", f"{shown(str(path))} is not a regular file.", remedy="Give a CSV file or a folder.")
    if status.st_size > limits.max_csv_bytes:
        os.close(descriptor)
        raise SourceError(
            "too_large",
            f"{shown(path.name)} is {status.st_size / 2**20:,.0f} MiB; a catalogue may be {limits.max_csv_bytes / 2**20:,.0f} MiB.",
            remedy="Split it into several files.",
        )
    return open(descriptor, "rb")  # noqa: PTH123 - a descriptor, not a path


def _refuse_other_kinds(head: bytes, path: Path) -> None:
    if not head:
        raise SourceError(
            "csv_empty", f"{shown(path.name)} is empty.", remedy="It needs a line with the columns' names and one line a picture."
        )
    for code, start, kind, remedy in _OTHER_KINDS:
        if head.startswith(start):
            raise SourceError(code, f"{shown(path.name)} is {kind}, not a CSV.", remedy=remedy)
    if head.startswith(b"PK\x03\x04"):
        if b"xl/" in head or path.suffix.lower() in (".xlsx", ".xlsm"):
            raise SourceError("csv_malformed", f"{shown(path.name)} is an Excel file (.xlsx), not a CSV.", remedy=_SAVE_AS_CSV)
        raise SourceError(
            "unsupported_format",
            f"{shown(path.name)} is a zip archive or an office document, not a CSV.",
            remedy="Unpack it, or save the table as CSV UTF-8.",
        )
    start_of_text = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if start_of_text in (b"<", b"{", b"["):
        kind = "a web page or XML" if start_of_text == b"<" else "JSON"
        raise SourceError("csv_malformed", f"{shown(path.name)} looks like {kind}, not a CSV.", remedy=_SAVE_AS_CSV)


# A bad quotation mark makes the reader look ahead and back up; at most this many times the maximum row may be re-read per file.
_REREAD_ROWS = 64


@dataclass(frozen=True, slots=True)
class Record:
    """A row that is not blank. If it has a `problem` (why it cannot be read), its cells are empty and `code` is an error code.

    Attributes:
        line: line of the file where it starts, 1 = first.
        cells: stripped of surrounding white space.
    """

    line: int
    cells: list[str]
    code: str = ""
    problem: str = ""


class _RowTooLongError(Exception):
    """The current row exceeds the limits."""


class RecordReader:
    """Iterates over the rows of a CSV following RFC 4180, strict about quotation marks.

    After an unclosed quotation mark (or one closed in the middle of a word) only its line is lost; reading continues with the next line.
    Lookahead is bounded per row by `max_row_lines` and `max_row_chars`, and per file, so that a hostile file costs linear time. Blank
    lines are skipped.

    Args:
        text: opened with `newline=""`; its `UnicodeDecodeError` propagates.
        delimiter: one character.

    Raises:
        SourceError: csv_malformed, while iterating: too many broken quotation marks.
    """

    def __init__(self, text: TextIO, *, delimiter: str, limits: SourceLimits) -> None:
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
            return Record(began, [], "csv_malformed", "contains a NUL character")
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
            raise SourceError(
                "csv_malformed",
                f"Up to line {self._line} too many quotation marks are never closed.",
                remedy="Export the table again; a quotation mark inside a cell must be doubled.",
            )

    def _skip_rest_of_line(self, line: str) -> None:
        while line and not line.endswith(("\n", "\r")):
            line = self._text.readline(self._limits.max_row_chars)
