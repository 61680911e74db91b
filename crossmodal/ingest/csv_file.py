"""From a path to text: the file is opened here, once, capped, and only when it can be a CSV at all."""

import codecs
import io
import os
import stat
from pathlib import Path
from typing import TextIO

from crossmodal.errors import CatalogueError
from crossmodal.ingest.limits import CatalogueLimits
from crossmodal.ingest.wording import shown

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
    ("csv_malformed", b"\x89PNG", "a PNG picture", "Name the folder it lies in, or a CSV file."),
    ("csv_malformed", b"\xff\xd8\xff", "a JPEG picture", "Name the folder it lies in, or a CSV file."),
    ("csv_malformed", b"GIF8", "a GIF picture", "Name the folder it lies in, or a CSV file."),
    ("csv_malformed", b"RIFF", "a picture or a sound (RIFF)", "Name the folder it lies in, or a CSV file."),
    ("csv_malformed", b"%PDF", "a PDF document", _SAVE_AS_CSV),
    ("csv_malformed", b"PAR1", "a Parquet file", _SAVE_AS_CSV),
    ("csv_malformed", b"SQLite format 3", "an SQLite database", _SAVE_AS_CSV),
)
# The mark of UTF-32 begins with the mark of UTF-16: the order matters.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def open_csv_text(path: Path, *, limits: CatalogueLimits) -> TextIO:
    """The CSV as text, line ends untouched.

    UTF-8, or UTF-16 and UTF-32 where the first bytes say so, as spreadsheets write them. Nothing is guessed beyond that: a wrong
    guess would store wrong letters. Not a word is read before the kind of file is known.

    The caller closes it. Reading from it may raise `UnicodeDecodeError`; `encoding_error` says where.

    Raises:
        CatalogueError: file_missing, too_large, csv_empty, csv_encoding, or another kind of file than a CSV (csv_malformed,
            unsupported_format; the message says which kind).
    """
    raw = _open_plain_file(path, limits=limits)
    try:
        head = raw.peek(8192)
        _refuse_other_kinds(head, path)
        encoding = next((name for mark, name in _MARKS if head.startswith(mark)), "utf-8")
        if encoding == "utf-8" and head.count(0) > len(head) // 4:
            raise CatalogueError("csv_encoding", f"{shown(path.name)} is not UTF-8 text.", remedy=_SAVE_AS_UTF8)
        return io.TextIOWrapper(raw, encoding=encoding, errors="strict", newline="")
    except BaseException:
        raw.close()
        raise


def encoding_error(path: Path, *, limits: CatalogueLimits) -> CatalogueError:
    """The error for text that cannot be decoded, with the first line (1 = header) where that is so, when it can be told."""
    with _open_plain_file(path, limits=limits) as raw:
        number = 0
        while line := raw.readline(limits.max_row_chars):
            number += line.endswith(b"\n")
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                here = number + (not line.endswith(b"\n"))
                return CatalogueError("csv_encoding", f"Line {here} of {shown(path.name)} is not UTF-8 text.", remedy=_SAVE_AS_UTF8)
    return CatalogueError(
        "csv_encoding", f"{shown(path.name)} is not valid text of the encoding it is marked with.", remedy=_SAVE_AS_UTF8
    )


def _open_plain_file(path: Path, *, limits: CatalogueLimits) -> io.BufferedReader:
    try:
        # Without O_NONBLOCK the opening of a named pipe waits for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise CatalogueError(
            "file_missing", f"{shown(str(path))} cannot be opened: {error.strerror}.", remedy="Check the path and who may read it."
        ) from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise CatalogueError("csv_malformed", f"{shown(str(path))} is not a plain file.", remedy="Name a CSV file or a folder.")
    if status.st_size > limits.max_csv_bytes:
        os.close(descriptor)
        raise CatalogueError(
            "too_large",
            f"{shown(path.name)} is {status.st_size / 2**20:,.0f} MiB; a catalogue may be {limits.max_csv_bytes / 2**20:,.0f} MiB.",
            remedy="Split it into several files.",
        )
    return open(descriptor, "rb")  # noqa: PTH123 - a descriptor, not a path


def _refuse_other_kinds(head: bytes, path: Path) -> None:
    if not head:
        raise CatalogueError(
            "csv_empty", f"{shown(path.name)} is empty.", remedy="It needs a line with the columns' names and one line a picture."
        )
    for code, start, kind, remedy in _OTHER_KINDS:
        if head.startswith(start):
            raise CatalogueError(code, f"{shown(path.name)} is {kind}, not a CSV.", remedy=remedy)
    if head.startswith(b"PK\x03\x04"):
        if b"xl/" in head or path.suffix.lower() in (".xlsx", ".xlsm"):
            raise CatalogueError("csv_malformed", f"{shown(path.name)} is an Excel file (.xlsx), not a CSV.", remedy=_SAVE_AS_CSV)
        raise CatalogueError(
            "unsupported_format",
            f"{shown(path.name)} is a zip archive or an office document, not a CSV.",
            remedy="Unpack it, or save the table as CSV UTF-8.",
        )
    start_of_text = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if start_of_text in (b"<", b"{", b"["):
        kind = "a web page or XML" if start_of_text == b"<" else "JSON"
        raise CatalogueError("csv_malformed", f"{shown(path.name)} looks like {kind}, not a CSV.", remedy=_SAVE_AS_CSV)
