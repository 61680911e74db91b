"""What every catalogue offers, whatever it is made of: rows, each either usable or a reason why not."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path, PurePosixPath
from typing import Protocol, runtime_checkable
from urllib.parse import unquote, urlsplit

from crossmodal.items import Failure, SourceRow

Entry = SourceRow | Failure


@dataclass(frozen=True, slots=True)
class Unread(Failure):
    """A part of a catalogue that cannot be read: rows may be hidden in it, and none of them counts as gone.

    Attributes:
        beginnings: of the keys these rows may have; an empty one is that of any key.
    """

    beginnings: tuple[str, ...] = ("",)


def unread(failure: Failure, *beginnings: str) -> Unread:
    """The failure of a part in which rows with keys of these beginnings may be hidden."""
    values = {each.name: getattr(failure, each.name) for each in fields(Failure)}
    return Unread(**values, beginnings=beginnings)


class Source(Protocol):
    """A CSV, a folder of pictures, an archive or a table of them, read again at every call of `rows`.

    Attributes:
        name: its identity in the collection; two catalogues never share it.
        kind: `csv`, `folder`, `zip`, `parquet` or `shards`.
        label: a short name for a person.
        location: where it lies, as shown to a person.
        folder: where paths of its rows start, resolved.
        duplicates: rows of the last complete reading that said exactly what an earlier row had said.
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
        """How many entries `rows` will give, found by reading once through.

        Raises:
            SourceError: the catalogue as a whole cannot be read, or holds nothing.
        """
        ...

    def rows(self) -> Iterator[Entry]:
        """Every row in a stable order; keys are unique. A row that cannot be used comes as a `Failure` with its reason.

        Raises:
            SourceError: the catalogue as a whole cannot be read; what came before is valid.
        """
        ...


@runtime_checkable
class HoldsPictures(Protocol):
    """A catalogue whose own file holds the pictures: nothing beside it has to be read for them."""

    def held(self, row: SourceRow) -> bytes | None:
        """The bytes of a row's picture; None when they lie at its `location` after all. Safe to call from several threads.

        Raises:
            SourceError: the file cannot be read there, or the picture is larger than the limits allow.
        """
        ...


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """Bounds of reading; every one exists so that a file from a stranger costs bounded time and memory.

    Attributes:
        max_csv_bytes: largest CSV file, as it lies on the disk.
        max_rows: most rows of a CSV, most pictures of a folder.
        max_columns: widest header.
        max_field_chars: longest cell; 32,767 is what the cell of a spreadsheet can hold.
        max_row_chars: longest row, line breaks inside quotation marks included.
        max_row_lines: most lines one row may span; a row longer than that is a quotation mark that was never closed.
        max_image_bytes: largest picture file.
        max_text_bytes: largest text file beside a picture.
        max_archive_bytes: largest ZIP, Parquet or tar file.
        max_directory_bytes: longest table of contents of a ZIP; it is read into memory as a whole, at about ten times its length.
        max_ratio: how many times smaller than itself a picture may lie in a ZIP; pictures are compressed already and barely shrink.
        max_unpacked_bytes: what columns of a Parquet file's row group that are packed smaller than that may unpack to together.
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


_CAMERA_NAME = re.compile(r"(?:(?:img|dsc[nf]?|pxl|mvimg|pict|sam|gopr|p)[-_ ]?)?\d[\d_-]*", re.IGNORECASE)


def shown(value: str, *, most: int = 60) -> str:
    """`value` in quotation marks as a message may hold it: one line, no invisible characters, at most `most` characters."""
    visible = "".join(letter if letter.isprintable() else " " for letter in value[: most * 4])
    line = " ".join(visible.split())
    return f'"{line[:most]}…"' if len(line) > most or len(value) > most * 4 else f'"{line}"'


def one_line(text: str) -> str:
    """`text` with every run of white space as one space; empty when nothing in it can be seen (spaces, zero-width marks)."""
    line = " ".join(text.split())
    return line if line.isprintable() or any(letter.isprintable() and letter != " " for letter in line) else ""


def title_from_location(location: str) -> str:
    """A readable title from the last part of a path or an address.

    "photos/red_mug-2.jpg" is "red mug 2"; the name a camera gave, "IMG_1234.jpg", stays "IMG_1234".
    """
    path = _path_of(location)
    stem = PurePosixPath(path.replace("\\", "/")).stem
    if _CAMERA_NAME.fullmatch(stem):
        return stem
    return one_line(re.sub(r"[_\-]+", " ", stem)) or one_line(stem) or one_line(location)


def _path_of(location: str) -> str:
    if not location.lower().startswith(("http://", "https://")):
        return location
    try:
        return unquote(urlsplit(location).path)
    except ValueError:
        return location
