"""The forms an export takes: each writer fills a place that nobody reads before it is done, and answers how many items it wrote."""

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
from crossmodal.items import Embedding, Item
from crossmodal.store import Store

if TYPE_CHECKING:
    from engine.live import LiveApp


@dataclass(frozen=True, slots=True)
class Exported:
    """A collection as exports see it.

    Attributes:
        model: id of the model in use, and the length of its embeddings; asked only by those that write embeddings.
    """

    store: Store
    model: Callable[[], tuple[str, int]]

    @classmethod
    def of(cls, app: LiveApp) -> Exported:
        """What an app has open."""

        def model() -> tuple[str, int]:
            used = app.generation().model
            return used.model_id, used.spec.embed_dim

        return cls(app.store, model)

    @classmethod
    def of_store(cls, store: Store) -> Exported:
        """What a store holds, which says itself which model is in use: no model is loaded.

        Asking for the model raises StoreError `index_model_mismatch` where there is no embedding of it.
        """

        def model() -> tuple[str, int]:
            known = list(store.models.counts())
            # Collections that only former versions' shell filled do not say it, and have embeddings of one model alone.
            model_id = store.models.active() or (known[0] if len(known) == 1 else "")
            if model_id not in known:
                what = "No item has an embedding of the model in use."
                raise StoreError("index_model_mismatch", what, remedy="Make them: python cli.py index --mend")
            return model_id, store.models.embed_dim(model_id)

        return cls(store, model)


IDS_SUFFIX = ".ids.json"
CHECKSUM = "vectors_sha256"
"""The ids' file says under this name which vectors its ids are of."""
COLUMNS = ("item_id", "title", "captions", "catalogue", "source", "content_hash", "width_px", "height_px", "added_at", "held_out")
_ROWS_AT_ONCE = 256
_CAPTIONS_BETWEEN = " | "
_ATTRIBUTE = "attribute "
_EMPTY = "'"
"""The cell for a text that is there and empty; where there is none, the cell is empty."""
# OWASP, "CSV Injection": what makes a spreadsheet compute a cell; their full-width forms are folded to them by some. White space is
# among it, and readers of a CSV drop it at both ends. What looks defused already is defused once more, so that it comes back too.
_TO_DEFUSE = re.compile(r"'*(?:[=+\-@＝＋－＠\s]|\Z)")
_TO_CLOSE = re.compile(r"\s'*\Z")


def write_csv(
    exported: Exported, items: Iterable[Item], draft: Path, *, picture_of: Callable[[Item], str | None] | None = None
) -> int:
    """One row an item; with `picture_of`, the name of its picture in a first column `image`, and no row for an item without one.

    What it says of its items comes back to the letter where it is read as a catalogue.
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
    """One row an item, with the embedding of the model in use; null where it has none."""
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
    """Vectors to `draft` and their ids to `ids_path`; items without an embedding are left out."""
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
    # The ids come first, with the checksum of what they are of: vectors that stand beside them and are others are found out.
    write_whole(ids_path, json.dumps(about).encode(), durable=True)
    return len(pairs)


def file_checksum(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_folder(exported: Exported, items: Iterable[Item], draft: Path) -> int:
    """Stored pictures, and `items.csv` that names them; items removed meanwhile are left out."""
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
    """A cell that no spreadsheet takes for a formula, and that reading an export as a catalogue brings back; an empty one stays empty.

    What begins like a formula or with white space gets a "'" before it, what ends with white space one after it.
    """
    if not text:
        return text
    begun = f"'{text}" if _TO_DEFUSE.match(text) else text
    return f"{begun}'" if _TO_CLOSE.search(begun) else begun


def file_name(title: str) -> str:
    """A title as part of a file's name on any system: letters, digits and hyphens, at most 60; "picture" when none is left."""
    return re.sub(r"[^\w]+", "-", title).strip("-_")[:60].rstrip("-_") or "picture"


def _plain_values(item: Item) -> tuple[object, ...]:
    """In the order of `COLUMNS`."""
    place = (item.source, item.origin, item.content_hash, item.width_px, item.height_px, item.added_at)
    return (item.item_id, item.title, list(item.captions), *place, item.held_out)


def _captions_cell(captions: Sequence[str]) -> str:
    cell = _CAPTIONS_BETWEEN.join(text.replace("\\", r"\\").replace("|", r"\|") for text in captions)
    return defused(cell) or (_EMPTY if captions else "")


def _column(name: str) -> str:
    """An attribute's column; one that is named like a column of ours keeps apart from it."""
    is_taken = name.startswith(_ATTRIBUTE) or name.casefold() in (*COLUMNS, "image")
    return defused(f"{_ATTRIBUTE}{name}" if is_taken else name) or _EMPTY


def _embedding(exported: Exported, item: Item, model_id: str) -> Embedding | None:
    try:
        return exported.store.embeddings.get(item.item_id, model_id)
    except QueryError:  # it has none of this model, or was removed a moment ago
        return None
