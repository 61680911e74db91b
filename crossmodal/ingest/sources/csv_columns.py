"""The meaning of a CSV's columns, recognised by name; decoding of the cells of an export."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from crossmodal.errors import SourceError
from crossmodal.ingest.sources.base import SourceLimits, shown

# Names are compared in lower case without spaces, "_", "-" and ".": "Image URL", "image_url" and "imageUrl" are equal. If several columns
# match, the earliest in these lists wins and the others are attributes.
PICTURE_NAMES = (
    "imgurl", "imageurl", "imagelink", "image", "img", "picture", "pictureurl", "photo", "photourl",
    "imagepath", "imagefile", "imagename", "filepath", "filename", "file", "path", "url",
)  # fmt: skip
TITLE_NAMES = ("title", "name", "producttitle", "productname", "itemname")
CAPTION_NAMES = ("caption", "captions", "description", "text", "comment", "sentence")
ID_NAMES = ("id", "asin", "sku", "itemid", "productid")
HELD_OUT_NAMES = ("heldout",)
EXPORTED = ("item_id", "catalogue", "source", "content_hash", "width_px", "height_px", "added_at")
"""Columns that an export adds about its items; if all are present, they are not attributes."""
HELD_OUT = "held_out"
"""An export with this column encodes its cells; `restored`, `captions_of` and `attribute_of` decode them."""
CAPTIONS_BETWEEN = " | "
"""Separator of the captions in an export's single captions cell."""
DELIMITERS = (",", ";", "\t", "|")
# An export puts a "'" beside text that a spreadsheet would evaluate and beside leading or trailing white space (which readers strip); text
# that already looks like that gets one more, so that decoding is unambiguous. A single "'" is an empty text.
_DEFUSED = re.compile(r"'+(?:[=+\-@＝＋－＠\s]|\Z)")
_CLOSED = re.compile(r"\s'+\Z")


@dataclass(frozen=True, slots=True)
class Columns:
    """Positions of the columns in a row.

    Attributes:
        names: the header as written; columns without a name are ignored.
        captions: whether the text is a caption, so that rows with the same picture form one item.
        item_id: None if no column identifies an item, and always with captions.
        attributes: (position, name) of all columns without another meaning, including the id.
        exported_captions: position of an export's captions cell; None in any other file.
        restorable: whether cells must be decoded with `restored`, as in an export with the column `HELD_OUT`.
    """

    names: tuple[str, ...]
    picture: int
    words: int
    captions: bool
    item_id: int | None
    held_out: int | None
    attributes: tuple[tuple[int, str], ...]
    exported_captions: int | None = None
    restorable: bool = False


def read_columns(header: Sequence[str], *, limits: SourceLimits) -> Columns:
    """Interpret the names of a header.

    Raises:
        SourceError: csv_too_wide, csv_duplicate_columns, or csv_missing_columns (no picture column or no text column).
    """
    if len(header) > limits.max_columns:
        raise SourceError(
            "csv_too_wide",
            f"The file has {len(header):,} columns; at most {limits.max_columns} are allowed.",
            remedy="Delete the columns you do not need.",
        )
    is_export = {*EXPORTED} <= {*header}
    restorable = is_export and {"title", "captions", HELD_OUT} <= {*header}
    # In an export, names that differ only in case are distinct.
    plain = list(header) if restorable else [_plain(name) for name in header]
    for place, name in enumerate(plain):
        if name and name in plain[:place]:
            raise SourceError(
                "csv_duplicate_columns", f"The column {shown(header[place])} occurs twice.", remedy="Rename or delete one of them."
            )
    if restorable:
        return _of_export(header)
    picture = _first(plain, PICTURE_NAMES)
    title = _first(plain, TITLE_NAMES)
    caption = _first(plain, CAPTION_NAMES)
    words = caption if title is None else title
    if picture is None or words is None:
        raise _missing(header, picture=picture is None, words=words is None)
    item_id = None if title is None else _first(plain, ID_NAMES)
    held_out = _first(plain, HELD_OUT_NAMES)
    exported_captions = header.index("captions") if is_export and "captions" in header else None
    known = {picture, words, held_out, exported_captions}
    return Columns(
        names=tuple(header),
        picture=picture,
        words=words,
        captions=title is None,
        item_id=item_id,
        held_out=held_out,
        attributes=tuple(
            (i, name) for i, name in enumerate(header) if name and i not in known and not (is_export and name in EXPORTED)
        ),
        exported_captions=exported_captions,
    )


def is_header(cells: Sequence[str]) -> bool:
    """Whether these cells include a picture column and a text column."""
    plain = [_plain(name) for name in cells]
    return _first(plain, PICTURE_NAMES) is not None and _first(plain, TITLE_NAMES + CAPTION_NAMES) is not None


def restored(cell: str) -> str:
    """Decode a cell of an export; other text is returned unchanged."""
    opened = cell[:-1] if _CLOSED.search(cell) else cell
    return opened[1:] if _DEFUSED.match(opened) else opened


def captions_of(cell: str) -> tuple[str, ...]:
    r"""Decode an export's captions cell, with `\|` for "|" and `\\` for a backslash in a caption; empty for an empty cell."""
    # So a "|" that belongs to a caption never follows a space.
    return tuple(re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL) for text in restored(cell).split(CAPTIONS_BETWEEN)) if cell else ()


def attribute_of(column: str) -> str:
    """The attribute of an export's column: an attribute whose name has a special meaning was exported with a prefix."""
    return restored(column).removeprefix("attribute ")


def _of_export(header: Sequence[str]) -> Columns:
    """Interpret the header of an export by its exact names only."""
    own = {"image", "title", "captions", HELD_OUT, *EXPORTED}
    picture = header.index("image") if "image" in header else _first([_plain(name) for name in header], PICTURE_NAMES)
    if picture is None:
        raise _missing(header, picture=True, words=False)
    return Columns(
        names=tuple(header),
        picture=picture,
        words=header.index("title"),
        captions=False,
        item_id=header.index("item_id"),
        held_out=header.index(HELD_OUT),
        attributes=tuple((i, attribute_of(name)) for i, name in enumerate(header) if name and i != picture and name not in own),
        exported_captions=header.index("captions"),
        restorable=True,
    )


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter not in " _-.")


def _first(plain: Sequence[str], wanted: Sequence[str]) -> int | None:
    return next((plain.index(name) for name in wanted if name in plain), None)


def _missing(header: Sequence[str], *, picture: bool, words: bool) -> SourceError:
    lacking = [text for text, lacks in (('"title" (or caption)', words), ('"imgUrl" (or image_url, image)', picture)) if lacks]
    found = ", ".join(shown(name, most=30) for name in header[:12]) + (", …" if len(header) > 12 else "")
    return SourceError(
        "csv_missing_columns",
        f"There is no column {' and none '.join(lacking)}; the first line names {found}.",
        remedy="Put the columns' names into the first line, such as title,imgUrl or image,caption.",
    )
