"""The interface of sources: rows that are either usable or failures with a reason."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol, runtime_checkable

from crossmodal.items import Failure, SourceRow

Entry = SourceRow | Failure


@dataclass(frozen=True, slots=True)
class Unread(Failure):
    """A part of a source that cannot be read. Rows that may be in it do not count as removed.

    Attributes:
        beginnings: prefixes of the keys these rows may have; an empty prefix matches every key.
    """

    beginnings: tuple[str, ...] = ("",)


def unread(failure: Failure, *beginnings: str) -> Unread:
    """Convert a failure to `Unread` for rows whose keys have one of these prefixes."""
    values = {each.name: getattr(failure, each.name) for each in fields(Failure)}
    return Unread(**values, beginnings=beginnings)


class Source(Protocol):
    """A CSV, Parquet table, folder or archive of pictures; read again at each call of `rows`.

    Attributes:
        name: its identity in the collection; unique.
        kind: a short name of its format, such as `csv` or `folder`.
        label: a short display name.
        location: its path, for display.
        folder: base of the rows' relative paths, resolved.
        duplicates: rows of the last complete reading that were identical to an earlier row.
    """

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> str: ...

    @property
    def label(self) -> str: ...

    @property
    def location(self) -> str: ...

    @property
    def folder(self) -> Path: ...

    @property
    def duplicates(self) -> int: ...

    def survey(self) -> int:
        """Count the entries of `rows` by reading the source once.

        Raises:
            SourceError: the source as a whole cannot be read, or is empty.
        """
        ...

    def rows(self) -> Iterator[Entry]:
        """Yield all rows in a stable order; keys are unique. An unusable row is a `Failure` with a reason.

        Raises:
            SourceError: the source as a whole cannot be read; rows yielded before are valid.
        """
        ...


@runtime_checkable
class HoldsPictures(Protocol):
    """A source with embedded pictures."""

    def held(self, row: SourceRow) -> bytes | None:
        """The bytes of a row's embedded picture; None if it must be read from its `location`. Thread-safe.

        Raises:
            SourceError: the file cannot be read, or the picture exceeds the limits.
        """
        ...


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """Limits that bound the time and memory of reading an untrusted file.

    Attributes:
        max_csv_bytes: size of a CSV file.
        max_rows: rows of a table, or pictures of a folder or archive.
        max_columns: columns of a header.
        max_field_chars: characters of a cell; 32,767 is the limit of spreadsheets.
        max_row_chars: characters of a row, including line breaks inside quotation marks.
        max_row_lines: lines of a row; a longer row indicates an unclosed quotation mark.
        max_image_bytes: size of a picture file.
        max_text_bytes: size of a text file beside a picture.
        max_archive_bytes: size of a ZIP, Parquet or tar file.
        max_directory_bytes: size of the central directory of a ZIP; reading it takes about ten times that in memory.
        max_ratio: compression ratio of a picture in a ZIP; pictures are already compressed and barely shrink.
        max_unpacked_bytes: decompressed size of those columns of a Parquet row group that are compressed to less than that.
    """

    max_csv_bytes: int = 2**30
    max_rows: int = 1_000_000
    max_columns: int = 200
    max_field_chars: int = 32_767
    max_row_chars: int = 2**20
    max_row_lines: int = 100
    max_image_bytes: int = 20 * 2**20
    max_text_bytes: int = 2**16
    max_archive_bytes: int = 2**36
    max_directory_bytes: int = 2**25
    max_ratio: int = 200
    max_unpacked_bytes: int = 2**27


def shown(value: str, *, most: int = 60) -> str:
    """`value` quoted for a message: one line, without invisible characters, at most `most` characters."""
    visible = "".join(letter if letter.isprintable() else " " for letter in value[: most * 4])
    line = " ".join(visible.split())
    return f'"{line[:most]}…"' if len(line) > most or len(value) > most * 4 else f'"{line}"'
