"""Open a source by path: a table, folder or archive."""

from pathlib import Path
from typing import Protocol

from crossmodal.errors import SourceError
from crossmodal.ingest.sources.base import Source, SourceLimits, shown
from crossmodal.ingest.sources.csv import CsvSource
from crossmodal.ingest.sources.folder import FolderSource
from crossmodal.ingest.sources.tar_shards import TarSource, shards_in
from crossmodal.ingest.sources.zip import ZipSource

_TABLES = (".csv", ".tsv")


def open_source(where: str | Path, *, limits: SourceLimits, name: str | None = None) -> Source:
    """Open the source at a path; `~` is the user's home folder.

    A file's type follows from its suffix; unknown suffixes are opened as CSV, whose error names the actual type. A folder that contains
    exactly one CSV with picture and text columns is read through that CSV, as data sets are usually distributed; a folder without pictures
    through its tar shards or Parquet files.

    Args:
        where: a file or a folder.
        name: identity in the collection; None takes the absolute path.

    Raises:
        SourceError: file_missing, or why the file or folder is not a valid source.
    """
    text = str(where).strip()
    if not text or "\0" in text or "://" in text:
        raise SourceError("file_missing", f"{shown(text)} is not a path.", remedy=_name_one())
    try:
        path = Path(text).expanduser().resolve()
        exists, is_folder = path.exists(), path.is_dir()
    except (OSError, RuntimeError) as error:
        raise SourceError(
            "file_missing", f"{shown(text)} cannot be opened.", remedy="Check the path and its permissions."
        ) from error
    if not exists:
        raise SourceError("file_missing", f"There is nothing at {shown(text)}.", remedy=_name_one())
    if not is_folder:
        return _of_file(path, limits=limits, name=name)
    return _table_of(path, limits=limits, name=name) or _of_folder(path, limits=limits, name=name)


def _name_one() -> str:
    return f"Give a folder or a file ({', '.join((*_TABLES, *_BY_ENDING))}) on this computer."


def _of_file(path: Path, *, limits: SourceLimits, name: str | None) -> Source:
    ending = path.suffix.lower() if path.is_file() else ""
    if ending in _BY_ENDING:
        return _BY_ENDING[ending](path, limits=limits, name=name)
    try:
        return CsvSource(path, limits=limits, name=name)
    except SourceError as error:
        if ending in _TABLES or error.code != "csv_missing_columns":
            raise
        what = f"{shown(path.name)} is not a catalogue: {error.message}"
        raise SourceError(error.code, what, remedy=f"{_name_one()} {error.remedy}") from error


def _of_folder(path: Path, *, limits: SourceLimits, name: str | None) -> Source:
    try:
        return FolderSource(path, limits=limits, name=name)
    except SourceError:
        if shards_in(path):
            return TarSource(path, limits=limits, name=name)
        if any(path.glob("*.parquet")) or any(path.glob("data/*.parquet")):
            return _parquet(path, limits=limits, name=name)
        raise


def _parquet(path: Path, *, limits: SourceLimits, name: str | None) -> Source:
    from crossmodal.ingest.sources.parquet import ParquetSource  # imports Arrow, which is slow

    return ParquetSource(path, limits=limits, name=name)


def _table_of(folder: Path, *, limits: SourceLimits, name: str | None) -> CsvSource | None:
    tables = sorted(path for path in folder.glob("*.csv") if not path.name.startswith("."))
    if len(tables) != 1:
        return None
    try:
        return CsvSource(tables[0], limits=limits, name=name)
    except SourceError as error:
        # An unrelated table among the pictures.
        if error.code == "csv_missing_columns":
            return None
        raise


class _Opens(Protocol):
    def __call__(self, path: Path, /, *, limits: SourceLimits, name: str | None) -> Source: ...


_BY_ENDING: dict[str, _Opens] = {
    ".zip": ZipSource,
    ".tar": TarSource,
    ".parquet": _parquet,
    ".pq": _parquet,
}
"""Ending of a file → what reads it; every other ending is read as a CSV."""
