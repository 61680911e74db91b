"""Import vectors computed elsewhere, after checking them against the collection and the model."""

import json
import stat
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crossmodal.errors import QueryError, SourceError, StoreError
from crossmodal.items import Embedding, Item
from crossmodal.store import Store
from crossmodal.store.checksums import UNIT_TOLERANCE
from engine.export_formats import CHECKSUM, IDS_SUFFIX, file_checksum

_MOST_BYTES = 2**34
_MOST_IDS_BYTES = 2**30


@dataclass(frozen=True, slots=True)
class Vectors:
    """Vectors read from a file.

    Attributes:
        rows: (n, dim) float32.
        ids: n item ids or n content hashes, in row order.
        content_hashes: n content hashes of the pictures the item ids referred to when exported; empty if the ids file has none.
        model_id: id of the model that made them, from the ids file; empty if it is not given.
    """

    rows: Embedding
    ids: list[int] | list[str]
    content_hashes: list[str]
    model_id: str


def read_vectors(path: Path, ids_path: Path | None = None) -> Vectors:
    """Read vectors and their ids.

    Args:
        path: `.npy` file of floats, (n, dim).
        ids_path: JSON as written by `engine.export`, `.npy` of integers, or a text file with one id or content hash per line; None uses
            `NAME.ids.json` beside the vectors.

    Raises:
        SourceError: file_missing; file_malformed: a file has the wrong format, the numbers of rows and ids differ, or the ids belong to
            other vectors.
    """
    ids_path = ids_path or path.with_suffix(IDS_SUFFIX)
    rows = _array(path, kinds="f", dimensions=2)
    ids, about = _ids(ids_path)
    if len(ids) != len(rows):
        what = f"{path.name} has {len(rows):,} rows, {ids_path.name} has {len(ids):,} ids."
        raise SourceError("file_malformed", what, remedy="Provide one id per row.")
    if CHECKSUM in about and about[CHECKSUM] != file_checksum(path):
        what = f"{path.name} is not the file that {ids_path.name} was written with."
        remedy = f'Export them again; or, if you changed the vectors yourself, remove "{CHECKSUM}" from {ids_path.name}.'
        raise SourceError("file_malformed", what, remedy=remedy)
    model_id = about.get("model_id")
    return Vectors(
        np.ascontiguousarray(rows, dtype=np.float32),
        ids,
        _content_hashes(ids_path, about, len(ids)),
        model_id if isinstance(model_id, str) else "",
    )


def _ids(path: Path) -> tuple[list[int] | list[str], dict[str, Any]]:
    """Ids or content hashes, and the other fields of the file."""
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
    """The n content hashes in the file, or an empty list."""
    hashes = about.get("content_hashes", [])
    if not isinstance(hashes, list) or len(hashes) not in (0, n) or not all(isinstance(each, str) for each in hashes):
        raise _malformed(path, "it does not have one content hash per id")
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
    raise _malformed(path, "it contains no list of ids")


def _array(path: Path, *, kinds: str, dimensions: int) -> Any:
    """Read an array from a `.npy` file without unpickling."""
    _check(path, _MOST_BYTES)
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError, TypeError, RecursionError) as error:
        raise _malformed(path, "it is not a .npy file of plain numbers") from error
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
    try:
        status = path.stat()
    except OSError as error:
        raise _missing(path) from error
    if not stat.S_ISREG(status.st_mode):
        raise _missing(path)
    if status.st_size > most:
        raise SourceError("too_large", f"{path.name} is {status.st_size / 2**30:,.1f} GiB.", remedy="Split it.")


def _missing(path: Path) -> SourceError:
    return SourceError("file_missing", f"There is no file {path}.", remedy="Check its name.")


def _malformed(path: Path, why: str) -> SourceError:
    return SourceError("file_malformed", f"{path.name} cannot be read: {why}.", remedy="Write it again.")


_AT_ONCE = 1000


def import_vectors(
    store: Store, vectors: Vectors, *, model_id: str, embed_dim: int | None, normalise: bool = False, skip_unknown: bool = False
) -> int:
    """Store vectors as embeddings of one model, all or none; returns how many.

    Args:
        model_id: id of the model that made them.
        embed_dim: dimension of that model's embeddings; None for a model without embeddings in the collection.
        normalise: normalise rows of any length; otherwise a row whose length is not nearly 1 is refused. Stored rows always have unit
            length.
        skip_unknown: skip ids that the collection does not have, or has for another picture; otherwise they are refused.

    Raises:
        QueryError: `bad_request`: ids that are unknown, belong to another picture here, or occur twice.
        StoreError: `index_model_mismatch`: another model. SourceError: `row_errors`: rows of the wrong dimension, not finite, or not of
            unit length.
    """
    if vectors.model_id and vectors.model_id != model_id:
        raise StoreError(
            "index_model_mismatch",
            f"The vectors are of the model {vectors.model_id:.16}, not of {model_id:.16}.",
            remedy="Import them for the model that made them, or export them with the active model.",
        )
    if embed_dim is not None and vectors.rows.shape[1] != embed_dim:
        what = f"The vectors have dimension {vectors.rows.shape[1]}, those of the model {embed_dim}."
        raise SourceError("row_errors", what, remedy="Compute them with the same model.")
    rows = _unit(vectors.rows, normalise=normalise)
    shown = _items(store, vectors.ids)
    if not skip_unknown:
        _check_known(shown, vectors)
    return store.embeddings.add(
        model_id, [(item, row) for number, row in enumerate(rows) for item in shown[number] if _is_meant(item, vectors, number)]
    )


def _check_known(shown: list[list[Item]], vectors: Vectors) -> None:
    """Raise QueryError `bad_request` if a row has no item, or only one with another picture."""
    unknown = sum(not items for items in shown)
    others = sum(not _is_meant(item, vectors, number) for number, items in enumerate(shown) for item in items)
    if not unknown and not others:
        return
    found = []
    if others:
        found.append(f"{others:,} of {len(shown):,} ids belong to another picture here")
    if unknown:
        found.append(f"{unknown:,} of {len(shown):,} ids are not in the collection")
    remedy = (
        "They are from another collection: use content hashes as ids, or skip these with --skip-unknown."
        if others
        else "Index the pictures first, or skip these with --skip-unknown."
    )
    raise QueryError("bad_request", f"{', '.join(found)}.", remedy=remedy)


def _is_meant(item: Item, vectors: Vectors, number: int) -> bool:
    """Whether an item has the picture that a row's vector was computed from, as far as the file records it."""
    return not vectors.content_hashes or item.content_hash == vectors.content_hashes[number]


def _unit(rows: Embedding, *, normalise: bool) -> Embedding:
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    bad = np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))
    if len(bad):
        raise SourceError(
            "row_errors", f"Row {bad[0] + 1} of the vectors is not finite, or zero.", remedy="Check how they were computed."
        )
    if normalise:
        unit: Embedding = (rows / lengths).astype(np.float32)
        return unit
    long = np.flatnonzero(np.abs(lengths - 1.0) > UNIT_TOLERANCE)
    if len(long):
        what = f"Row {long[0] + 1} of the vectors has the length {float(lengths[long[0], 0]):.4g}, not 1."
        raise SourceError("row_errors", what, remedy="Import them with --normalise if only their direction counts.")
    return rows


def _items(store: Store, ids: list[int] | list[str]) -> list[list[Item]]:
    """The item of each id, or all items with each content hash. Raises QueryError for duplicates."""
    twice = next((each for each, times in Counter(ids).items() if times > 1), None)
    if twice is not None:
        raise QueryError("bad_request", f"The id {twice!r:.80} occurs twice.", remedy="Provide one row per item.")
    found: dict[int | str, list[Item]] = {each: [] for each in ids}
    if ids and isinstance(ids[0], str):
        after_id = 0
        while page := store.items.page(_AT_ONCE, after_id):
            for item in page:
                if item.content_hash in found:
                    found[item.content_hash].append(item)
            after_id = page[-1].item_id
        return list(found.values())
    numbers = [each for each in ids if isinstance(each, int)]
    for start in range(0, len(numbers), _AT_ONCE):
        for item in store.items.get_many(numbers[start : start + _AT_ONCE]):
            found[item.item_id].append(item)
    return list(found.values())
