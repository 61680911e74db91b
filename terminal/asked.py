"""From a word on the command line to what it means: an address, a picture file, the standard input, or a text."""

import shlex
import sys
from pathlib import Path

from crossmodal.errors import CatalogueError, PictureError
from terminal import output

STANDARD_INPUT = "-"
AS_WORDS = "Check its name, or use --text to search for it as words."
"""What to do about a file that is not there, where words would do as well."""
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


def check(word: str, *, remedy: str = "Check its name.") -> None:
    """Refuse a picture file that is not there; an address and the standard input are looked at when their turn comes.

    Args:
        remedy: what to do about it.

    Raises:
        CatalogueError: file_missing.
    """
    if word == STANDARD_INPUT or is_address(word):
        return
    path = Path(word).expanduser()
    if path.is_dir():
        what, remedy = f"{output.cell(word)} is a folder.", f"Bring all its pictures in: python cli.py index {shlex.quote(word)}"
        raise CatalogueError("file_missing", what, remedy=remedy)
    if not path.is_file():
        raise CatalogueError("file_missing", f'There is no file "{word:.200}".', remedy=remedy)


def is_there(word: str) -> bool:
    """Whether `check` lets it pass."""
    try:
        check(word)
    except CatalogueError:
        return False
    return True


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
    check(word)
    return word if is_address(word) else Path(word).expanduser()


def rather(words: str) -> str:
    """What somebody may have meant whose words name something on this computer; empty for plain words."""
    if words.lower().startswith("file:"):
        return "An address of a file was searched for as words. To search by a picture, name it by its path."
    try:
        path = Path(words).expanduser()
        is_folder, is_file = path.is_dir(), path.is_file()
    except (OSError, RuntimeError, ValueError):  # longer than any path may be, or without a home: words
        return ""
    if is_folder:
        said = f"{output.cell(words)} is also a folder here; it was searched for as words."
        return f"{said} To bring its pictures in: python cli.py index {shlex.quote(words)}"
    if is_file:
        said = f"{output.cell(words)} is also a file here; it was searched for as words."
        return f"{said} To search by the picture in it: python cli.py search - < {shlex.quote(words)}"
    return ""
