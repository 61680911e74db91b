"""Vectors from elsewhere: `.npy` with ids, checked against the collection and the model before one of them is stored."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crossmodal.catalog import Catalog
from crossmodal.errors import CatalogueError, QueryError, StoreError
from crossmodal.items import Embedding, Item
from transfer.export_formats import IDS_SUFFIX

_MOST_BYTES = 2**34
_MOST_IDS_BYTES = 2**30
_UNIT_TOLERANCE = 1e-3
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Vectors:
    """Vectors as they were found in a file.

    Attributes:
        rows: (n, dim) float32.
        ids: n ids of items, or n content hashes, in the order of the rows.
        model_id: of the model that made them, as the ids' file says; empty when it does not.
    """

    rows: Embedding
    ids: list[int] | list[str]
    model_id: str


def read_vectors(path: Path, ids_path: Path | None = None) -> Vectors:
    """Vectors and their ids.

    Args:
        path: `.npy`, (n, dim) of floats.
        ids_path: JSON as `exporting` writes it, `.npy` of integers, or a text file with an id or content hash a line; None takes
            `NAME.ids.json` beside the vectors.

    Raises:
        CatalogueError: file_missing; csv_malformed, a file is not of its kind, or the numbers of rows and ids differ.
    """
    ids_path = ids_path or path.with_suffix(IDS_SUFFIX)
    rows = _array(path, kinds="f", dimensions=2)
    ids, model_id = _ids(ids_path)
    if len(ids) != len(rows):
        what = f"{path.name} has {len(rows):,} rows, {ids_path.name} has {len(ids):,} ids."
        raise CatalogueError("csv_malformed", what, remedy="Give one id for each row.")
    return Vectors(np.ascontiguousarray(rows, dtype=np.float32), ids, model_id)


def import_vectors(
    catalog: Catalog, vectors: Vectors, *, model_id: str, embed_dim: int | None, normalise: bool = False, skip_unknown: bool = False
) -> int:
    """Store vectors as the embeddings of one model, all or none; returns how many.

    Args:
        model_id: of the model that made them.
        embed_dim: length of that model's embeddings; None for a model the collection has nothing of yet.
        normalise: bring rows to length 1; without it a row of another length is refused.
        skip_unknown: leave out ids the collection does not have; without it they are refused.

    Raises:
        QueryError: `bad_request`, ids that are not there or occur twice.
        StoreError: `index_model_mismatch`, another model or another length; `bad_request`, rows that are not finite or not of length 1.
    """
    if vectors.model_id and vectors.model_id != model_id:
        raise StoreError(
            "index_model_mismatch",
            f"The vectors are of the model {vectors.model_id:.16}, not of {model_id:.16}.",
            remedy="Import them for the model that made them, or export them with the model in use.",
        )
    if embed_dim is not None and vectors.rows.shape[1] != embed_dim:
        what = f"The vectors have {vectors.rows.shape[1]} numbers, those of the model {embed_dim}."
        raise StoreError("index_model_mismatch", what, remedy="Make them with the same model.")
    rows = _unit(vectors.rows, normalise=normalise)
    items = _items(catalog, vectors.ids)
    unknown = sum(item is None for item in items)
    if unknown and not skip_unknown:
        raise QueryError(
            "bad_request",
            f"{unknown:,} of {len(items):,} ids are not in the collection.",
            remedy="Index the pictures first, or skip unknown ids.",
        )
    return catalog.add_embeddings(model_id, [(item, row) for item, row in zip(items, rows, strict=True) if item is not None])


def _unit(rows: Embedding, *, normalise: bool) -> Embedding:
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    bad = np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))
    if len(bad):
        raise StoreError("bad_request", f"Row {bad[0] + 1} of the vectors is not finite, or zero.", remedy="Check what made them.")
    if normalise:
        unit: Embedding = (rows / lengths).astype(np.float32)
        return unit
    long = np.flatnonzero(np.abs(lengths - 1.0) > _UNIT_TOLERANCE)
    if len(long):
        what = f"Row {long[0] + 1} of the vectors has the length {float(lengths[long[0], 0]):.4g}, not 1."
        raise StoreError("bad_request", what, remedy="Import them with --normalise if only their direction counts.")
    return rows


def _items(catalog: Catalog, ids: list[int] | list[str]) -> list[Item | None]:
    """The item of each id or content hash; None where there is none. Raises QueryError for what occurs twice."""
    if len(set(ids)) != len(ids):
        twice = next(each for number, each in enumerate(ids) if each in ids[:number])
        raise QueryError("bad_request", f"The id {twice!r:.80} occurs twice.", remedy="Give one row an item.")
    if ids and isinstance(ids[0], str):
        by_hash: dict[object, Item] = {}
        after_id = 0
        while page := catalog.page(_AT_ONCE, after_id):
            by_hash |= {item.content_hash: item for item in page}
            after_id = page[-1].item_id
        return [by_hash.get(each) for each in ids]
    numbers = [each for each in ids if isinstance(each, int)]
    found = {
        item.item_id: item
        for start in range(0, len(numbers), _AT_ONCE)
        for item in catalog.items(numbers[start : start + _AT_ONCE])
    }
    return [found.get(number) for number in numbers]


def _ids(path: Path) -> tuple[list[int] | list[str], str]:
    """Ids or content hashes, and the model's id where the file says it."""
    if path.suffix == ".npy":
        return [int(number) for number in _array(path, kinds="iu", dimensions=1)], ""
    text = _text(path)
    if path.suffix == ".json":
        try:
            about = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise _malformed(path, "it is not JSON") from error
        return _listed(path, about.get("item_ids") if isinstance(about, dict) else about), _model_id(about)
    return _listed(path, text.split()), ""


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


def _model_id(about: Any) -> str:
    value = about.get("model_id") if isinstance(about, dict) else ""
    return value if isinstance(value, str) else ""


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
    return CatalogueError("csv_malformed", f"{path.name} cannot be read: {why}.", remedy="Write it again.")
