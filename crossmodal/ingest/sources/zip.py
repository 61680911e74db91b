"""ZIP source, read without unpacking to disk."""

import stat
import struct
import threading
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from crossmodal.errors import SourceError
from crossmodal.ingest.sources.archives import is_picture_name, leads_outside, location_of
from crossmodal.ingest.sources.base import Entry, SourceLimits, shown
from crossmodal.items import Failure, SourceRow
from crossmodal.text.cleaning import one_line, title_from_location

# PKWARE's APPNOTE 6.3.10, sections 4.3.14 to 4.3.16.
_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LONGEST_COMMENT = 2**16
_IN_64 = 0xFFFFFFFF
"""Placeholder for a length that is given in the ZIP64 record."""


def directory_bytes(path: Path) -> int:
    """Declared length of the central directory in bytes; 0 if the file has no end record.

    If several records differ, returns the longest, because readers choose differently.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        start = max(0, size - _LONGEST_COMMENT - _END.size - _LOCATOR.size)
        file.seek(start)
        tail = file.read()
        # Without a comment the end record is at the very end, where Python looks first.
        place = len(tail) - _END.size
        if tail[place : place + 4] != b"PK\5\6":
            place = tail.rfind(b"PK\5\6")
        if place < 0 or place + _END.size > len(tail):
            return 0
        declared = int(_END.unpack_from(tail, place)[5])
        locator = place - _LOCATOR.size
        if locator < 0 or tail[locator : locator + 4] != b"PK\6\7":
            return declared
        # The ZIP64 record may be at the declared offset or directly before its locator: Python versions use either, so both count. A 32-bit
        # placeholder also counts if it would be used for lack of a ZIP64 record.
        near = _declared_64(file, start + locator - _END_64.size)
        told = _declared_64(file, min(_LOCATOR.unpack_from(tail, locator)[2], size))
        return max(near or 0, told or 0, declared if near is None or declared != _IN_64 else 0)


def _declared_64(file: BinaryIO, offset: int) -> int | None:
    """The length in the ZIP64 record at `offset`; None if there is none."""
    if offset < 0:
        return None
    file.seek(offset)
    end = file.read(_END_64.size)
    return int(_END_64.unpack(end)[8]) if len(end) == _END_64.size and end[:4] == b"PK\6\6" else None


_BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, ValueError, OverflowError)
# LZMA in a ZIP may require a dictionary of 4 GiB; it is not used for pictures.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# Below this size a high ratio is a single-colour icon, not a bomb.
_SMALL = 2**20
_PACK_AGAIN = "Pack the pictures again, or give the folder they are in."


class ZipSource:
    """A source of the pictures in a ZIP, in the order of its central directory; titles as in `FolderSource`.

    A member that is encrypted, a link, compressed suspiciously well, too large, or named to escape the target folder is a failed row with a
    reason.

    Args:
        path: the file.
        name: identity in the collection; None takes the absolute path.

    Raises:
        SourceError: file_malformed (not a valid ZIP), too_large (the file, its central directory, or a ZIP bomb), csv_no_rows.
    """

    kind = "zip"

    def __init__(self, path: Path, *, limits: SourceLimits, name: str | None = None) -> None:
        self.path = path.resolve()
        self.folder = self.path.parent
        self.name = name or str(self.path)
        self.label = self.path.name
        self.location = str(self.path)
        self.duplicates = 0
        self._limits = limits
        self._lock = threading.Lock()
        self._archive = self._opened()
        self._check_whole()

    def survey(self) -> int:
        """Number of pictures."""
        return sum(1 for _ in self._members())

    def rows(self) -> Iterator[Entry]:
        """Yield one row per picture.

        Raises:
            SourceError: csv_too_many_rows, as soon as it is met.
        """
        seen: set[str] = set()
        for count, member in enumerate(self._members()):
            if count >= self._limits.max_rows:
                raise SourceError(
                    "csv_too_many_rows",
                    f"{shown(self.label)} has more than {self._limits.max_rows:,} pictures.",
                    remedy="Split it, or raise CROSSMODAL_MAX_CATALOGUE_ROWS.",
                )
            name = member.filename
            if name in seen:
                yield self._failure(f"{name} ({count})", "row_errors", f"The name {shown(name)} occurs twice.", _PACK_AGAIN)
                continue
            seen.add(name)
            problem = self._problem(member)
            yield self._failure(name, *problem) if problem else self._row(name)

    def held(self, row: SourceRow) -> bytes:
        """The bytes of a row's picture. Raises SourceError: file_malformed, too_large."""
        return self._read(row.key, most=self._limits.max_image_bytes)

    def _row(self, name: str) -> Entry:
        try:
            texts = self._texts(name)
        except SourceError as error:
            return self._failure(name, error.code, error.message, error.remedy)
        return SourceRow(
            key=name,
            title=texts[0] if texts else title_from_location(name),
            location=location_of(name),
            captions=texts if len(texts) > 1 else (),
        )

    def _texts(self, name: str) -> tuple[str, ...]:
        """The lines of the text file beside the picture; empty if there is none."""
        beside = str(PurePosixPath(name).with_suffix(".txt"))
        if beside not in self._archive.NameToInfo:
            return ()
        try:
            lines = self._read(beside, most=self._limits.max_text_bytes).decode("utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise SourceError("csv_encoding", f"{shown(beside)} is not UTF-8 text.", remedy="Save it as UTF-8.") from error
        return tuple(text for text in map(one_line, lines) if text)

    def _problem(self, member: zipfile.ZipInfo) -> tuple[str, str, str] | None:
        """Code, reason and remedy for a member that is refused; None for a valid one."""
        name = shown(member.filename)
        if leads_outside(member.filename):
            return "path_outside", f"The name {name} leads out of the archive.", _PACK_AGAIN
        if stat.S_ISLNK(member.external_attr >> 16):
            return "path_outside", f"{name} is a link.", _PACK_AGAIN
        if member.flag_bits & 1:
            return "unsupported_format", f"{name} is encrypted.", "Pack the pictures again without a password."
        if member.compress_type not in _METHODS:
            return "unsupported_format", f"{name} uses an unsupported compression method.", "Pack it again as an ordinary ZIP."
        if member.file_size > self._limits.max_image_bytes:
            size, most = member.file_size / 2**20, self._limits.max_image_bytes / 2**20
            return "too_large", f"{name} is {size:,.1f} MiB; {most:,.1f} MiB are the maximum.", "Make it smaller."
        if member.file_size > max(_SMALL, self._limits.max_ratio * member.compress_size):
            return "too_large", f"{name} unpacks to more than {self._limits.max_ratio} times its size.", _PACK_AGAIN
        return None

    def _read(self, name: str, *, most: int) -> bytes:
        try:
            # A member is decompressed only as far as it is read, so that a wrong declared size costs no memory.
            with self._lock, self._archive.open(name) as file:
                data = file.read(most + 1)
        except (*_BROKEN, KeyError, OSError) as error:
            what = f"{shown(name)} in {shown(self.label)} is damaged."
            raise SourceError("file_malformed", what, remedy=_PACK_AGAIN) from error
        if len(data) > most:
            raise SourceError("too_large", f"{shown(name)} is more than {most / 2**20:,.2f} MiB.", remedy="Make it smaller.")
        return data

    def _members(self) -> Iterator[zipfile.ZipInfo]:
        return (member for member in self._archive.infolist() if not member.is_dir() and is_picture_name(member.filename))

    def _opened(self) -> zipfile.ZipFile:
        try:
            size, directory = self.path.stat().st_size, directory_bytes(self.path)
            if size > self._limits.max_archive_bytes or directory > self._limits.max_directory_bytes:
                what = f"{shown(self.label)} is {size / 2**20:,.0f} MiB with {directory / 2**20:,.0f} MiB of names."
                raise SourceError("too_large", what, remedy="Unpack it and give the folder.")
            return zipfile.ZipFile(self.path)
        except (*_BROKEN, OSError) as error:
            raise SourceError("file_malformed", f"{shown(self.label)} is not a valid ZIP file.", remedy=_PACK_AGAIN) from error

    def _check_whole(self) -> None:
        members = list(self._members())
        if not members:
            self._archive.close()
            raise SourceError(
                "csv_no_rows",
                f"There are no pictures in {shown(self.label)}.",
                remedy="Put pictures (JPEG, PNG, WebP, GIF) into it.",
            )
        # Members may share one compressed range of the file; then only their sum reveals a bomb.
        unpacked = sum(member.file_size for member in members)
        if unpacked > max(_SMALL, self._limits.max_ratio * self.path.stat().st_size):
            self._archive.close()
            what = f"{shown(self.label)} unpacks to {unpacked / 2**30:,.1f} GiB, more than {self._limits.max_ratio} times its size."
            raise SourceError("too_large", what, remedy=_PACK_AGAIN)

    def _failure(self, name: str, code: str, reason: str, remedy: str) -> Failure:
        return Failure(
            key=name, source=self.name, location=name, title=title_from_location(name), code=code, reason=reason, remedy=remedy
        )
