"""From a word on the command line to what it means: an address, a picture file, the standard input, or a text."""

import sys
from pathlib import Path

from crossmodal.errors import CatalogueError, PictureError

STANDARD_INPUT = "-"
# As `crossmodal.ingest.folder_catalogue` has them; repeated here so that no catalogue is imported to read a command line.
_PICTURES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".heic", ".heif", ".avif", ".tif", ".tiff"}
)


def is_address(word: str) -> bool:
    """Whether it is a web address."""
    return word.lower().startswith(("http://", "https://"))


def names_a_picture(word: str) -> bool:
    """Whether a query is rather a picture than a text: an address, `-`, or the name of a picture file.

    Words with the ending of a picture file are a file, so that a name mistyped is said instead of searched for.
    """
    return word == STANDARD_INPUT or is_address(word) or Path(word).suffix.lower() in _PICTURES


def picture(word: str, *, max_bytes: int) -> bytes | Path | str:
    """What the app takes for a picture: bytes from the standard input, an address as it is, a file as a path.

    Raises:
        CatalogueError: file_missing. PictureError: too_large.
    """
    if word == STANDARD_INPUT:
        data = sys.stdin.buffer.read(max_bytes + 1)
        if len(data) > max_bytes:
            raise PictureError(
                "too_large", f"The standard input holds more than {max_bytes / 2**20:,.0f} MiB.", remedy="Make it smaller."
            )
        return data
    if is_address(word):
        return word
    path = Path(word).expanduser()
    if not path.is_file():
        raise CatalogueError(
            "file_missing", f'There is no file "{word:.200}".', remedy="Check its name, or use --text to search for it as words."
        )
    return path
