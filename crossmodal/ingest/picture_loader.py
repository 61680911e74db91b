"""From a row of a catalogue to the bytes of its picture: from its own file, over the guarded fetcher, or from its folder."""

import re
from collections.abc import Callable
from pathlib import Path

from crossmodal.errors import AddressError, SourceError
from crossmodal.images.public_address import parse_address
from crossmodal.ingest.sources.base import shown
from crossmodal.ingest.sources.files import read_inside
from crossmodal.items import SourceRow

# A letter of its own before the colon is a Windows drive, not a scheme.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]+):")
# Where data sets keep the pictures that their table names without a folder.
_PICTURE_FOLDERS = ("images", "Images", "img", "photos")


class PictureLoader:
    """Bytes of pictures, for the rows of one catalogue. Safe to use from several threads.

    Args:
        folder: where paths start; a file that is not there is looked for in its folders `images`, `Images`, `img` and `photos` too.
        fetch: an http(s) address to bytes, guarded; None refuses addresses.
        max_image_bytes: largest file.
        held: what a catalogue that holds pictures itself answers for a row; see `HoldsPictures`.
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
        """The bytes of a row's picture.

        Raises:
            AddressError: a scheme that is not http or https, or an address the fetcher refuses.
            FetchError: the address gave no picture.
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
                    "Addresses are not fetched here.",
                    remedy="Save the picture beside the catalogue and name the file.",
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
        # A name longer than the file system knows.
        return False


def scheme_of(location: str) -> str:
    """The scheme of an address in lower case, empty for a path."""
    match = _SCHEME.match(location)
    return match[1].lower() if match else ""


def host_of(location: str) -> str:
    """The host of an http(s) address as the fetcher reads it, empty for a path; a refused address counts as its own host."""
    if scheme_of(location) not in ("http", "https"):
        return ""
    try:
        return parse_address(location).host
    except AddressError:
        return location
