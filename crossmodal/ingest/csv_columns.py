"""What the columns of a CSV mean, found by their names."""

from collections.abc import Sequence
from dataclasses import dataclass

from crossmodal.errors import CatalogueError
from crossmodal.ingest.limits import CatalogueLimits
from crossmodal.ingest.wording import shown

# Names are compared in lower case without spaces, "_", "-" and ".": "Image URL", "image_url" and "imageUrl" are one. When several
# columns of a kind are there, the first of these lists wins and the others are attributes.
PICTURE_NAMES = (
    "imgurl", "imageurl", "imagelink", "image", "img", "picture", "pictureurl", "photo", "photourl",
    "imagepath", "imagefile", "imagename", "filepath", "filename", "file", "path", "url",
)  # fmt: skip
TITLE_NAMES = ("title", "name", "producttitle", "productname", "itemname")
CAPTION_NAMES = ("caption", "captions", "description", "text", "comment", "sentence")
ID_NAMES = ("id", "asin", "sku", "itemid", "productid")
HELD_OUT_NAMES = ("heldout",)
EXPORTED = ("item_id", "catalogue", "source", "content_hash", "width_px", "height_px", "added_at")
"""What an export of a collection says of its items besides their words: where all of it is, it is bookkeeping, and no attribute."""
CAPTIONS_BETWEEN = " | "
"""What stands between two captions in the one cell that an export has for them."""
DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True, slots=True)
class Columns:
    """Places of the columns in a row.

    Attributes:
        names: the header as written; a column without a name is not read.
        captions: the words are captions: rows of the same picture are one item with several.
        item_id: None when no column identifies an item, and always None with captions.
        attributes: (place, name) of everything that has no other meaning, the id included.
        exported_captions: where an export of a collection has the captions of a row; None in any other file.
    """

    names: tuple[str, ...]
    picture: int
    words: int
    captions: bool
    item_id: int | None
    held_out: int | None
    attributes: tuple[tuple[int, str], ...]
    exported_captions: int | None = None


def read_columns(header: Sequence[str], *, limits: CatalogueLimits) -> Columns:
    """The meaning of a header's names.

    Raises:
        CatalogueError: csv_too_wide, csv_duplicate_columns, or csv_missing_columns (none for the pictures, or none for the words).
    """
    if len(header) > limits.max_columns:
        raise CatalogueError(
            "csv_too_wide",
            f"The file has {len(header):,} columns; {limits.max_columns} are read at most.",
            remedy="Delete the columns you do not need.",
        )
    plain = [_plain(name) for name in header]
    for place, name in enumerate(plain):
        if name and name in plain[:place]:
            raise CatalogueError(
                "csv_duplicate_columns", f"The column {shown(header[place])} occurs twice.", remedy="Rename or delete one of them."
            )
    picture = _first(plain, PICTURE_NAMES)
    title = _first(plain, TITLE_NAMES)
    caption = _first(plain, CAPTION_NAMES)
    words = caption if title is None else title
    if picture is None or words is None:
        raise _missing(header, picture=picture is None, words=words is None)
    item_id = None if title is None else _first(plain, ID_NAMES)
    held_out = _first(plain, HELD_OUT_NAMES)
    is_export = {*EXPORTED} <= {*header}
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
    """Whether these cells name a column for pictures and one for words."""
    plain = [_plain(name) for name in cells]
    return _first(plain, PICTURE_NAMES) is not None and _first(plain, TITLE_NAMES + CAPTION_NAMES) is not None


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter not in " _-.")


def _first(plain: Sequence[str], wanted: Sequence[str]) -> int | None:
    return next((plain.index(name) for name in wanted if name in plain), None)


def _missing(header: Sequence[str], *, picture: bool, words: bool) -> CatalogueError:
    lacking = [text for text, lacks in (('"title" (or caption)', words), ('"imgUrl" (or image_url, image)', picture)) if lacks]
    found = ", ".join(shown(name, most=30) for name in header[:12]) + (", …" if len(header) > 12 else "")
    return CatalogueError(
        "csv_missing_columns",
        f"There is no column {' and none '.join(lacking)}; the first line names {found}.",
        remedy="Put the columns' names into the first line, such as title,imgUrl or image,caption.",
    )
