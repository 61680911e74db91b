"""The one door to catalogues: whatever a person names, a CSV or a folder, becomes a `Catalogue` or one clear error."""

from pathlib import Path

from crossmodal.errors import CatalogueError
from crossmodal.ingest.catalogue import Catalogue
from crossmodal.ingest.csv_catalogue import CsvCatalogue
from crossmodal.ingest.folder_catalogue import FolderCatalogue
from crossmodal.ingest.limits import CatalogueLimits
from crossmodal.ingest.wording import shown


def open_catalogue(where: str | Path, *, limits: CatalogueLimits, name: str | None = None) -> Catalogue:
    """The catalogue at a path; `~` is the person's own folder.

    A folder that holds exactly one CSV, and one that names pictures and words, is read by that CSV, as data sets are handed out.

    Args:
        where: a CSV file or a folder of pictures.
        name: identity in the collection; None takes the absolute path.

    Raises:
        CatalogueError: file_missing, or why the CSV or the folder cannot be a catalogue.
    """
    text = str(where).strip()
    if not text or "\0" in text or "://" in text:
        raise CatalogueError(
            "file_missing", f"{shown(text)} is not a path.", remedy="Name a CSV file or a folder on this computer."
        )
    try:
        path = Path(text).expanduser().resolve()
        exists, is_folder = path.exists(), path.is_dir()
    except (OSError, RuntimeError) as error:
        raise CatalogueError(
            "file_missing", f"{shown(text)} cannot be opened.", remedy="Check the path and who may read it."
        ) from error
    if not exists:
        raise CatalogueError(
            "file_missing", f"There is nothing at {shown(text)}.", remedy="Name a CSV file or a folder on this computer."
        )
    if not is_folder:
        return CsvCatalogue(path, limits=limits, name=name)
    return _table_of(path, limits=limits, name=name) or FolderCatalogue(path, limits=limits, name=name)


def _table_of(folder: Path, *, limits: CatalogueLimits, name: str | None) -> CsvCatalogue | None:
    tables = sorted(path for path in folder.glob("*.csv") if not path.name.startswith("."))
    if len(tables) != 1:
        return None
    try:
        return CsvCatalogue(tables[0], limits=limits, name=name)
    except CatalogueError as error:
        # Some other table that happens to lie among the pictures.
        if error.code == "csv_missing_columns":
            return None
        raise
