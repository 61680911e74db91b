"""Files of vectors and their ids, read without trust: what is not of its kind is said, and nothing in a file is ever run."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crossmodal.errors import CatalogueError
from crossmodal.items import Embedding
from transfer.export_formats import CHECKSUM, IDS_SUFFIX, file_checksum

_MOST_BYTES = 2**34
_MOST_IDS_BYTES = 2**30


@dataclass(frozen=True, slots=True)
class Vectors:
    """Vectors as they were found in a file.

    Attributes:
        rows: (n, dim) float32.
        ids: n ids of items, or n content hashes, in the order of the rows.
        content_hashes: n content hashes of the pictures that the ids of items meant where they were written; empty when the ids' file
            does not say.
        model_id: of the model that made them, as the ids' file says; empty when it does not.
    """

    rows: Embedding
    ids: list[int] | list[str]
    content_hashes: list[str]
    model_id: str


def read_vectors(path: Path, ids_path: Path | None = None) -> Vectors:
    """Vectors and their ids.

    Args:
        path: `.npy`, (n, dim) of floats.
        ids_path: JSON as `exporting` writes it, `.npy` of integers, or a text file with an id or content hash a line; None takes
            `NAME.ids.json` beside the vectors.

    Raises:
        CatalogueError: file_missing; file_malformed, a file is not of its kind, the numbers of rows and ids differ, or the ids say that
            they are of other vectors.
    """
    ids_path = ids_path or path.with_suffix(IDS_SUFFIX)
    rows = _array(path, kinds="f", dimensions=2)
    ids, about = _ids(ids_path)
    if len(ids) != len(rows):
        what = f"{path.name} has {len(rows):,} rows, {ids_path.name} has {len(ids):,} ids."
        raise CatalogueError("file_malformed", what, remedy="Give one id for each row.")
    if CHECKSUM in about and about[CHECKSUM] != file_checksum(path):
        what = f"{path.name} is not the file that {ids_path.name} was written with."
        remedy = f'Export them again; or, if you changed the vectors yourself, take "{CHECKSUM}" out of {ids_path.name}.'
        raise CatalogueError("file_malformed", what, remedy=remedy)
    model_id = about.get("model_id")
    return Vectors(
        np.ascontiguousarray(rows, dtype=np.float32),
        ids,
        _content_hashes(ids_path, about, len(ids)),
        model_id if isinstance(model_id, str) else "",
    )


def _ids(path: Path) -> tuple[list[int] | list[str], dict[str, Any]]:
    """Ids or content hashes, and what else the file says of them."""
    if path.suffix == ".npy":
        return [int(number) for number in _array(path, kinds="iu", dimensions=1)], {}
    text = _text(path)
    if path.suffix == ".json":
        try:
            about = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise _malformed(path, "it is not JSON") from error
        return (_listed(path, about.get("item_ids")), about) if isinstance(about, dict) else (_listed(path, about), {})
    return _listed(path, text.split()), {}


def _content_hashes(path: Path, about: dict[str, Any], n: int) -> list[str]:
    """The n content hashes the file says, or none at all."""
    hashes = about.get("content_hashes", [])
    if not isinstance(hashes, list) or len(hashes) not in (0, n) or not all(isinstance(each, str) for each in hashes):
        raise _malformed(path, "it does not hold one content hash for each id")
    return hashes


def _listed(path: Path, ids: Any) -> list[int] | list[str]:
    if (
        isinstance(ids, list)
        and ids
        and all(isinstance(each, str) and each.isascii() and each.isdigit() and len(each) < 20 for each in ids)
    ):
        return [int(each) for each in ids]
    if isinstance(ids, list) and all(isinstance(each, int) and not isinstance(each, bool) for each in ids):
        return ids
    if isinstance(ids, list) and all(isinstance(each, str) for each in ids):
        return ids
    raise _malformed(path, "it holds no list of ids")


def _array(path: Path, *, kinds: str, dimensions: int) -> Any:
    """An array of a `.npy` file. Nothing in it is ever run."""
    _check(path, _MOST_BYTES)
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError, TypeError, RecursionError) as error:
        raise _malformed(path, "it is no .npy file of plain numbers") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in kinds or array.ndim != dimensions:
        raise _malformed(path, f"it is not an array of {dimensions} dimensions of {'floats' if kinds == 'f' else 'integers'}")
    return array


def _text(path: Path) -> str:
    _check(path, _MOST_IDS_BYTES)
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _malformed(path, "it is not UTF-8 text") from error


def _check(path: Path, most: int) -> None:
    if not path.is_file():
        raise CatalogueError("file_missing", f"There is no file {path}.", remedy="Check its name.")
    if path.stat().st_size > most:
        raise CatalogueError("too_large", f"{path.name} is {path.stat().st_size / 2**30:,.1f} GiB.", remedy="Split it.")


def _malformed(path: Path, why: str) -> CatalogueError:
    return CatalogueError("file_malformed", f"{path.name} cannot be read: {why}.", remedy="Write it again.")
