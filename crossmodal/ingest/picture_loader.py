"""Load the bytes of a row's picture: embedded in the source, from a URL through the guarded fetcher, or from a folder."""

import re
from collections.abc import Callable
from pathlib import Path

from crossmodal.errors import AddressError, SourceError
from crossmodal.images.public_address import parse_address
from crossmodal.ingest.sources.base import shown
from crossmodal.ingest.sources.files import read_inside
from crossmodal.items import SourceRow

# A single letter before the colon is a Windows drive, not a scheme.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]+):")
# Folders where data sets keep pictures that their table names without a folder.
_PICTURE_FOLDERS = ("images", "Images", "img", "photos")


class PictureLoader:
    """Loads the pictures of one source's rows. Thread-safe.

    Args:
        folder: base of relative paths; a missing file is also searched in its subfolders `images`, `Images`, `img` and `photos`.
        fetch: guarded fetcher of an http(s) URL; None refuses URLs.
        max_image_bytes: maximum file size.
        held: returns the embedded picture of a row, for sources that contain pictures; see `HoldsPictures`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        fetch: Callable[[str], bytes] | None,
        max_image_bytes: int,
        held: Callable[[SourceRow], bytes | None] | None = None,
    ) -> None:
        self._folder = folder.resolve()
        self._fetch = fetch
        self._max_image_bytes = max_image_bytes
        self._held = held

    def __call__(self, row: SourceRow) -> bytes:
        """Return the bytes of a row's picture.

        Raises:
            AddressError: a scheme other than http or https, or a URL the fetcher refuses.
            FetchError: the URL returned no picture.
            SourceError: file_missing, path_outside, too_large.
        """
        data = self._held(row) if self._held is not None else None
        if data is not None:
            return data
        scheme = scheme_of(row.location)
        if scheme in ("http", "https"):
            if self._fetch is None:
                raise AddressError(
                    "url_scheme",
                    "Web addresses are not fetched here.",
                    remedy="Save the picture beside the catalogue and give its file name.",
                )
            return self._fetch(row.location)
        if scheme:
            raise AddressError(
                "url_scheme",
                f"{shown(row.location)} is neither a web address nor a path.",
                remedy="Give an http(s) address, or a path relative to the catalogue.",
            )
        return self._read(row.location)

    def _read(self, location: str) -> bytes:
        try:
            return read_inside(self._folder, location, max_bytes=self._max_image_bytes)
        except SourceError as error:
            further = next((name for name in _PICTURE_FOLDERS if _is_file(self._folder / name / location)), None)
            if error.code != "file_missing" or further is None:
                raise
        return read_inside(self._folder, f"{further}/{location}", max_bytes=self._max_image_bytes)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        # The name is longer than the file system allows.
        return False


def scheme_of(location: str) -> str:
    """The lower-case scheme of a URL; empty for a path."""
    match = _SCHEME.match(location)
    return match[1].lower() if match else ""


def host_of(location: str) -> str:
    """The host of an http(s) URL as the fetcher parses it; empty for a path; the text itself for a refused URL."""
    if scheme_of(location) not in ("http", "https"):
        return ""
    try:
        return parse_address(location).host
    except AddressError:
        return location
