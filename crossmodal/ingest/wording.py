"""How values of a catalogue are shown in messages, and how a title is made from a file name."""

import re
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

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
