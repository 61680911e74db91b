"""Folder source: titles from file names, or from a text file beside the picture."""

import os
from collections.abc import Iterator
from pathlib import Path

from crossmodal.errors import SourceError
from crossmodal.ingest.sources.base import Entry, SourceLimits, shown, unread
from crossmodal.ingest.sources.files import read_inside
from crossmodal.items import Failure, SourceRow
from crossmodal.text.cleaning import one_line, title_from_location

# Includes formats that need an optional decoder or are unsupported: such files are listed as failed instead of ignored.
PICTURE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".heic", ".heif", ".avif", ".tif", ".tiff"}
)


class FolderSource:
    """A source of the pictures in a folder and its subfolders, ordered by name.

    A key is the path relative to the folder. Hidden files and folders, files without a picture suffix, and linked folders are skipped.
    The first line of a file `mug.txt` beside `mug.jpg` is the title; if it has more lines, all of them are captions.

    Args:
        folder: the folder with the pictures.
        name: identity in the collection; None takes the absolute path.

    Raises:
        SourceError: csv_no_rows: there are no pictures in the folder.
    """

    kind = "folder"

    def __init__(self, folder: Path, *, limits: SourceLimits, name: str | None = None) -> None:
        self.folder = folder.resolve()
        self.name = name or str(self.folder)
        self.label = self.folder.name or str(self.folder)
        self.location = str(self.folder)
        self.duplicates = 0
        self._limits = limits
        if next(self._places(), None) is None:
            raise SourceError(
                "csv_no_rows",
                f"There are no pictures in {shown(str(self.folder))}.",
                remedy="Put pictures (JPEG, PNG, WebP, GIF) into it.",
            )

    def survey(self) -> int:
        """Number of pictures."""
        return sum(1 for _ in self._places())

    def rows(self) -> Iterator[Entry]:
        """Yield one row per picture.

        Raises:
            SourceError: csv_too_many_rows, as soon as it is met.
        """
        for count, place in enumerate(self._places()):
            if count >= self._limits.max_rows:
                raise SourceError(
                    "csv_too_many_rows",
                    f"{shown(str(self.folder))} has more than {self._limits.max_rows:,} pictures.",
                    remedy="Give a subfolder, or raise CROSSMODAL_MAX_CATALOGUE_ROWS.",
                )
            yield place if isinstance(place, Failure) else self._row(place)

    def _row(self, key: str) -> Entry:
        try:
            key.encode()
            texts = self._texts(key)
        except UnicodeEncodeError:
            shown_key = key.encode(errors="backslashreplace").decode()
            return self._failure(shown_key, "file_missing", f"The name {shown(shown_key)} is not valid text.", "Rename the file.")
        except SourceError as error:
            return self._failure(key, error.code, error.message, error.remedy)
        return SourceRow(
            key=key,
            title=texts[0] if texts else title_from_location(key),
            # "a:b.jpg" would be parsed as a URL scheme.
            location=f"./{key}" if ":" in key else key,
            captions=texts if len(texts) > 1 else (),
        )

    def _texts(self, key: str) -> tuple[str, ...]:
        """The lines of the text file beside the picture; empty if there is none."""
        beside = Path(key).with_suffix(".txt")
        if not (self.folder / beside).is_file():
            return ()
        data = read_inside(self.folder, beside.as_posix(), max_bytes=self._limits.max_text_bytes)
        try:
            lines = data.decode("utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise SourceError(
                "csv_encoding", f"{shown(beside.as_posix())} is not UTF-8 text.", remedy="Save it as UTF-8."
            ) from error
        return tuple(text for text in map(one_line, lines) if text)

    def _places(self) -> Iterator[str | Failure]:
        """Paths of pictures relative to the folder, depth first; an unreadable folder gives a failure."""
        waiting = [self.folder]
        while waiting:
            folder = waiting.pop()
            try:
                with os.scandir(folder) as listing:
                    entries = sorted((entry for entry in listing if not entry.name.startswith(".")), key=lambda entry: entry.name)
            except OSError as error:
                place = folder.relative_to(self.folder).as_posix()
                what = f"The folder {shown(place)} cannot be read: {error.strerror}."
                failure = self._failure(place, "file_missing", what, "Check its permissions.")
                yield unread(failure, "" if place == "." else f"{place}/")
                continue
            for entry in entries:
                if not entry.is_dir() and Path(entry.name).suffix.lower() in PICTURE_SUFFIXES:
                    yield Path(entry.path).relative_to(self.folder).as_posix()
            waiting.extend(Path(entry.path) for entry in reversed(entries) if entry.is_dir(follow_symlinks=False))

    def _failure(self, key: str, code: str, reason: str, remedy: str) -> Failure:
        return Failure(
            key=key, source=self.name, location=key, title=title_from_location(key), code=code, reason=reason, remedy=remedy
        )
