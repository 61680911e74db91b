"""Vectors from elsewhere, checked against the collection and the model before one of them is stored."""

from collections import Counter

import numpy as np

from crossmodal.catalog import Catalog
from crossmodal.catalog.checksums import UNIT_TOLERANCE
from crossmodal.errors import CatalogueError, QueryError, StoreError
from crossmodal.items import Embedding, Item
from transfer.vector_files import Vectors

_AT_ONCE = 1000


def import_vectors(
    catalog: Catalog, vectors: Vectors, *, model_id: str, embed_dim: int | None, normalise: bool = False, skip_unknown: bool = False
) -> int:
    """Store vectors as the embeddings of one model, all or none; returns how many.

    Args:
        model_id: of the model that made them.
        embed_dim: length of that model's embeddings; None for a model the collection has nothing of yet.
        normalise: bring rows of any length to length 1; without it a row is refused whose length is not nearly 1. What is stored has
            length 1 either way.
        skip_unknown: leave out ids the collection does not have, or has for another picture; without it they are refused.

    Raises:
        QueryError: `bad_request`, ids that are not there, mean another picture here, or occur twice.
        StoreError: `index_model_mismatch`, another model. CatalogueError: `row_errors`, rows of another length than the model's, not
            finite, or not of length 1.
    """
    if vectors.model_id and vectors.model_id != model_id:
        raise StoreError(
            "index_model_mismatch",
            f"The vectors are of the model {vectors.model_id:.16}, not of {model_id:.16}.",
            remedy="Import them for the model that made them, or export them with the model in use.",
        )
    if embed_dim is not None and vectors.rows.shape[1] != embed_dim:
        what = f"The vectors have {vectors.rows.shape[1]} numbers, those of the model {embed_dim}."
        raise CatalogueError("row_errors", what, remedy="Make them with the same model.")
    rows = _unit(vectors.rows, normalise=normalise)
    shown = _items(catalog, vectors.ids)
    if not skip_unknown:
        _check_known(shown, vectors)
    return catalog.add_embeddings(
        model_id, [(item, row) for number, row in enumerate(rows) for item in shown[number] if _is_meant(item, vectors, number)]
    )


def _check_known(shown: list[list[Item]], vectors: Vectors) -> None:
    """Raises QueryError `bad_request` when a row has no item, or only one that shows another picture."""
    unknown = sum(not items for items in shown)
    others = sum(not _is_meant(item, vectors, number) for number, items in enumerate(shown) for item in items)
    if not unknown and not others:
        return
    found = []
    if others:
        found.append(f"{others:,} of {len(shown):,} ids mean another picture here")
    if unknown:
        found.append(f"{unknown:,} of {len(shown):,} ids are not in the collection")
    remedy = (
        "They were given in another collection: give content hashes as ids, or leave these out with --skip-unknown."
        if others
        else "Index the pictures first, or leave these out with --skip-unknown."
    )
    raise QueryError("bad_request", f"{', '.join(found)}.", remedy=remedy)


def _is_meant(item: Item, vectors: Vectors, number: int) -> bool:
    """Whether an item shows the picture that the vector of a row was made of, as far as the file says."""
    return not vectors.content_hashes or item.content_hash == vectors.content_hashes[number]


def _unit(rows: Embedding, *, normalise: bool) -> Embedding:
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    bad = np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))
    if len(bad):
        raise CatalogueError(
            "row_errors", f"Row {bad[0] + 1} of the vectors is not finite, or zero.", remedy="Check what made them."
        )
    if normalise:
        unit: Embedding = (rows / lengths).astype(np.float32)
        return unit
    long = np.flatnonzero(np.abs(lengths - 1.0) > UNIT_TOLERANCE)
    if len(long):
        what = f"Row {long[0] + 1} of the vectors has the length {float(lengths[long[0], 0]):.4g}, not 1."
        raise CatalogueError("row_errors", what, remedy="Import them with --normalise if only their direction counts.")
    return rows


def _items(catalog: Catalog, ids: list[int] | list[str]) -> list[list[Item]]:
    """The item of each id, or all that show the picture of each content hash. Raises QueryError for what occurs twice."""
    twice = next((each for each, times in Counter(ids).items() if times > 1), None)
    if twice is not None:
        raise QueryError("bad_request", f"The id {twice!r:.80} occurs twice.", remedy="Give one row an item.")
    found: dict[int | str, list[Item]] = {each: [] for each in ids}
    if ids and isinstance(ids[0], str):
        after_id = 0
        while page := catalog.page(_AT_ONCE, after_id):
            for item in page:
                if item.content_hash in found:
                    found[item.content_hash].append(item)
            after_id = page[-1].item_id
        return list(found.values())
    numbers = [each for each in ids if isinstance(each, int)]
    for start in range(0, len(numbers), _AT_ONCE):
        for item in catalog.items(numbers[start : start + _AT_ONCE]):
            found[item.item_id].append(item)
    return list(found.values())
