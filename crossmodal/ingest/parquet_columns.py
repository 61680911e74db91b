"""What the columns of a Parquet file mean: by the names a CSV knows, and by the ways pictures lie in such files."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from crossmodal.errors import CatalogueError
from crossmodal.ingest.csv_columns import CAPTION_NAMES, HELD_OUT_NAMES, ID_NAMES, PICTURE_NAMES, TITLE_NAMES
from crossmodal.ingest.wording import shown

# img2dataset names the column of the bytes by the format.
_BYTES_NAMES = (*PICTURE_NAMES, "imagebytes", "bytes", "jpg", "jpeg", "png", "webp")


@dataclass(frozen=True, slots=True)
class ParquetColumns:
    """Names of the columns, and of the leaves in them that are read.

    Attributes:
        bytes_leaf: where a row's picture lies in the file; empty when the file only names pictures.
        place_leaf: where a row's path or address lies; empty when the file only holds pictures.
        words: titles or captions; None when there are none. A list of texts is several captions.
        attributes: columns of plain values without another meaning, the id included.
    """

    bytes_leaf: str
    place_leaf: str
    words: str | None
    item_id: str | None
    held_out: str | None
    attributes: tuple[str, ...]

    @property
    def cheap_leaves(self) -> list[str]:
        """All that is read but the pictures themselves."""
        named = [self.place_leaf, self.words, self.item_id, self.held_out, *self.attributes]
        return list(dict.fromkeys(name for name in named if name))


def read_columns(schema: pa.Schema, *, label: str) -> ParquetColumns:
    """The meaning of a schema.

    Args:
        label: name of the file, for the message.

    Raises:
        CatalogueError: csv_missing_columns, there is no column for the pictures.
    """
    kinds = {field.name: field.type for field in schema}
    held = _first([name for name in kinds if _holds_bytes(kinds[name])], _BYTES_NAMES) or next(
        (name for name in kinds if pa.types.is_struct(kinds[name]) and _holds_bytes(kinds[name])), None
    )
    texts = [name for name in kinds if _is_text(kinds[name])]
    named = _first(texts, PICTURE_NAMES)
    if held is None and named is None:
        raise CatalogueError(
            "csv_missing_columns",
            f"{shown(label)} has no column of pictures; it has {', '.join(shown(name, most=30) for name in list(kinds)[:12])}.",
            remedy='Name the column "image" (bytes, or a struct of bytes and path) or "url".',
        )
    spoken = [name for name in kinds if _is_text(kinds[name]) or _is_texts(kinds[name])]
    words = _first(spoken, TITLE_NAMES) or _first(spoken, CAPTION_NAMES)
    plain = [name for name in kinds if name not in (held, named, words) and _is_plain(kinds[name])]
    held_out = _first(plain, HELD_OUT_NAMES)
    struct = held is not None and pa.types.is_struct(kinds[held])
    place = f"{held}.path" if struct and _has_path(kinds[held]) else "" if held else named or ""
    return ParquetColumns(
        bytes_leaf="" if held is None else f"{held}.bytes" if struct else held,
        place_leaf=place,
        words=words,
        item_id=_first(plain, ID_NAMES),
        held_out=held_out,
        attributes=tuple(name for name in (*plain, *((named,) if named and named != place else ())) if name and name != held_out),
    )


def _first(names: Sequence[str], wanted: Sequence[str]) -> str | None:
    plain = {"".join(letter for letter in name.casefold() if letter not in " _-."): name for name in reversed(names)}
    return next((plain[name] for name in wanted if name in plain), None)


def _is_text(kind: pa.DataType) -> bool:
    return (
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or (pa.types.is_dictionary(kind) and _is_text(kind.value_type))
    )


def _is_texts(kind: pa.DataType) -> bool:
    return (pa.types.is_list(kind) or pa.types.is_large_list(kind)) and _is_text(kind.value_type)


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 and _is_bytes(kind.field("bytes").type)
    return _is_bytes(kind)


def _has_path(kind: pa.DataType) -> bool:
    return kind.get_field_index("path") >= 0 and _is_text(kind.field("path").type)


def _is_plain(kind: pa.DataType) -> bool:
    numbers = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_temporal, pa.types.is_decimal)
    return _is_text(kind) or any(bool(check(kind)) for check in numbers)
