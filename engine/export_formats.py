"""Export formats. Each writer writes to a draft path and returns how many items it wrote."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crossmodal.atomic import atomic_path, write_whole
from crossmodal.errors import QueryError, StoreError
from crossmodal.installation import COMMAND
from crossmodal.items import Embedding, Item
from crossmodal.store import Store

if TYPE_CHECKING:
    from engine.live import LiveApp


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export needs of a collection.

    Attributes:
        model: returns id and embedding dimension of the active model; called only by formats with embeddings.
    """

    store: Store
    model: Callable[[], tuple[str, int]]

    @classmethod
    def of(cls, app: LiveApp) -> Exported:
        """From an open app."""

        def model() -> tuple[str, int]:
            used = app.generation().model
            return used.model_id, used.spec.embed_dim

        return cls(app.store, model)

    @classmethod
    def of_store(cls, store: Store) -> Exported:
        """From a store, which records the active model, so that no model is loaded.

        `model()` raises StoreError `index_model_mismatch` if there are no embeddings of it.
        """

        def model() -> tuple[str, int]:
            known = list(store.models.counts())
            # Collections filled only by the CLI of earlier versions do not record it, but have embeddings of a single model.
            model_id = store.models.active() or (known[0] if len(known) == 1 else "")
            if model_id not in known:
                what = "No item has an embedding of the active model."
                raise StoreError("index_model_mismatch", what, remedy=f"Compute them: {COMMAND} index --repair")
            return model_id, store.models.embed_dim(model_id)

        return cls(store, model)


IDS_SUFFIX = ".ids.json"
CHECKSUM = "vectors_sha256"
"""Key in the ids file for the checksum of the vectors file."""
COLUMNS = ("item_id", "title", "captions", "catalogue", "source", "content_hash", "width_px", "height_px", "added_at", "held_out")
_ROWS_AT_ONCE = 256
_CAPTIONS_BETWEEN = " | "
_ATTRIBUTE = "attribute "
_EMPTY = "'"
"""The cell for an empty text; for a missing one the cell is empty."""
# OWASP, "CSV Injection": characters that start a formula; some programs fold full-width forms to them. White space is included, because
# CSV readers strip it. Text that already looks escaped is escaped once more, so that it can be restored.
_TO_DEFUSE = re.compile(r"'*(?:[=+\-@＝＋－＠\s]|\Z)")
_TO_CLOSE = re.compile(r"\s'*\Z")


def write_csv(
    exported: Exported, items: Iterable[Item], draft: Path, *, picture_of: Callable[[Item], str | None] | None = None
) -> int:
    """Write one row per item. With `picture_of`, a first column `image` has the picture's name, and items without one are omitted.

    Indexing the file restores the texts exactly.
    """
    names = list(exported.store.items.attribute_values(1))
    written = 0
    with draft.open("w", encoding="utf-8-sig", newline="") as file:
        out = csv.writer(file)
        first = ["image"] if picture_of else []
        out.writerow([*first, *COLUMNS, *(_column(name) for name in names)])
        for item in items:
            start = [picture_of(item)] if picture_of else []
            if start == [None]:
                continue
            values = dict(zip(COLUMNS, _plain_values(item), strict=True)) | {"held_out": "yes" if item.held_out else "no"}
            cells = {name: defused(str(value)) for name, value in values.items()}
            cells |= {"title": defused(item.title) or _EMPTY, "captions": _captions_cell(item.captions)}
            said = ((defused(item.attributes[name]) or _EMPTY) if name in item.attributes else "" for name in names)
            out.writerow([*start, *cells.values(), *said])
            written += 1
    return written


def write_parquet(exported: Exported, items: Iterable[Item], draft: Path) -> int:
    """Write one row per item, with its embedding by the active model, or null."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    model_id, embed_dim = exported.model()
    kinds = dict.fromkeys(COLUMNS, pa.string())
    kinds |= {
        "item_id": pa.int64(),
        "width_px": pa.int32(),
        "height_px": pa.int32(),
        "added_at": pa.float64(),
        "held_out": pa.bool_(),
    }
    kinds |= {"captions": pa.list_(pa.string()), "attributes": pa.map_(pa.string(), pa.string())}
    kinds |= {"embedding": pa.list_(pa.float32(), embed_dim)}
    schema = pa.schema(list(kinds.items()), metadata={"model_id": model_id})
    written = 0
    with draft.open("wb") as file, pq.ParquetWriter(file, schema) as out:
        rows: list[dict[str, object]] = []
        for item in items:
            embedding = _embedding(exported, item, model_id)
            row = dict(zip(COLUMNS, _plain_values(item), strict=True))
            row |= {"attributes": list(item.attributes.items())}
            rows.append(row | {"embedding": None if embedding is None else embedding.tolist()})
            written += 1
            if len(rows) == _ROWS_AT_ONCE:
                out.write_batch(pa.RecordBatch.from_pylist(rows, schema=schema))
                rows = []
        out.write_batch(pa.RecordBatch.from_pylist(rows, schema=schema))
    return written


def write_npy(exported: Exported, items: Iterable[Item], draft: Path, *, ids_path: Path) -> int:
    """Write vectors to `draft` and their ids to `ids_path`; items without an embedding are omitted."""
    model_id, embed_dim = exported.model()
    pairs = [(item, row) for item in items if (row := _embedding(exported, item, model_id)) is not None]
    rows = np.stack([row for _, row in pairs]) if pairs else np.zeros((0, embed_dim), np.float32)
    with draft.open("wb") as file:
        np.save(file, rows, allow_pickle=False)
    about = {
        "model_id": model_id,
        "embed_dim": embed_dim,
        "item_ids": [item.item_id for item, _ in pairs],
        "content_hashes": [item.content_hash for item, _ in pairs],
        CHECKSUM: file_checksum(draft),
    }
    # The ids are put in place first, with the vectors' checksum, so that other vectors beside them are detected.
    write_whole(ids_path, json.dumps(about).encode(), durable=True)
    return len(pairs)


def file_checksum(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_folder(exported: Exported, items: Iterable[Item], draft: Path) -> int:
    """Write the stored pictures and `items.csv`; items removed meanwhile are omitted."""
    draft.mkdir()

    def picture_of(item: Item) -> str | None:
        try:
            picture = exported.store.pictures.rendition(item.item_id)
        except QueryError:  # removed a moment ago
            return None
        name = f"{item.item_id:06}-{file_name(item.title)}.jpg"
        (draft / name).write_bytes(picture)
        return name

    with atomic_path(draft / "items.csv") as table:
        return write_csv(exported, items, table, picture_of=picture_of)


def defused(text: str) -> str:
    """Escape a cell so that no spreadsheet evaluates it and re-indexing restores it; an empty one stays empty.

    Text that starts like a formula or with white space gets a leading "'", text that ends with white space a trailing one.
    """
    if not text:
        return text
    begun = f"'{text}" if _TO_DEFUSE.match(text) else text
    return f"{begun}'" if _TO_CLOSE.search(begun) else begun


def file_name(title: str) -> str:
    """Convert a title to part of a portable file name: at most 60 letters, digits and hyphens; "picture" if none remain."""
    return re.sub(r"[^\w]+", "-", title).strip("-_")[:60].rstrip("-_") or "picture"


def _plain_values(item: Item) -> tuple[object, ...]:
    """Values in the order of `COLUMNS`."""
    place = (item.source, item.origin, item.content_hash, item.width_px, item.height_px, item.added_at)
    return (item.item_id, item.title, list(item.captions), *place, item.held_out)


def _captions_cell(captions: Sequence[str]) -> str:
    cell = _CAPTIONS_BETWEEN.join(text.replace("\\", r"\\").replace("|", r"\|") for text in captions)
    return defused(cell) or (_EMPTY if captions else "")


def _column(name: str) -> str:
    """The column of an attribute; prefixed if its name is that of another column."""
    is_taken = name.startswith(_ATTRIBUTE) or name.casefold() in (*COLUMNS, "image")
    return defused(f"{_ATTRIBUTE}{name}" if is_taken else name) or _EMPTY


def _embedding(exported: Exported, item: Item, model_id: str) -> Embedding | None:
    try:
        return exported.store.embeddings.get(item.item_id, model_id)
    except QueryError:  # it has none of this model, or was removed in the meantime
        return None
