"""The cache file of embeddings (`image_features.pt`): written atomically, memory-mapped and verified when read.

The file is what `torch.save` makes of a dict: `about` (JSON: format, kind, the tag's fields), `item_ids` (n,) int64 ascending,
`embeddings` (n, embed_dim) float32, and `digest`, SHA-256 in hex over the three.
"""

import json
import os
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import torch

from crossmodal import errors
from crossmodal.atomic import atomic_path
from crossmodal.errors import StoreError
from crossmodal.indexes.base import IndexTag, are_unit

FORMAT = 1
_REBUILT = "It is rebuilt from the collection."
_ABOUT_TYPES = {
    "format": int,
    "kind": str,
    "store_uuid": str,
    "model_id": str,
    "seq": int,
    "removal_seq": int,
    "mark": str,
    "removal_mark": str,
}


def write(path: Path, *, kind: str, tag: IndexTag, item_ids: torch.Tensor, embeddings: torch.Tensor) -> None:
    """Write rows sorted by id, atomically.

    Raises:
        StoreError: `disk_full`, `read_only`; the earlier file is untouched.
    """
    about = json.dumps({"format": FORMAT, "kind": kind, **asdict(tag)})
    content = {"about": about, "digest": _digest(about, item_ids, embeddings), "item_ids": item_ids, "embeddings": embeddings}
    try:
        with atomic_path(path) as draft, draft.open("wb") as file:
            torch.save(content, file)
    except RuntimeError as error:  # how torch's zip writer reports a full disk
        raise errors.disk_full(path, "the file could not be written completely") from error


def read(path: Path, *, kind: str, store_uuid: str, model_id: str, embed_dim: int) -> tuple[IndexTag, torch.Tensor, torch.Tensor]:
    """Tag, item ids (n,) int64 and memory-mapped embeddings (n, embed_dim) float32 of a file written by `write`.

    Raises:
        StoreError: `index_missing`; `index_corrupt` for any deviation from what was written; `index_model_mismatch` for a valid
            file of another collection or model.
    """
    content = _load(path)
    item_ids = _plain(path, content.get("item_ids"), torch.int64, dimensions=1)
    embeddings = _plain(path, content.get("embeddings"), torch.float32, dimensions=2)
    if len(item_ids) != len(embeddings):
        raise _corrupt(path, f"it has {len(item_ids)} ids and {len(embeddings)} embeddings")
    tag = _tag(path, content.get("about"), kind=kind)
    if (tag.store_uuid, tag.model_id, embeddings.shape[1]) != (store_uuid, model_id, embed_dim):
        raise StoreError(
            "index_model_mismatch", f"The index {path} belongs to another collection or model.", remedy="It is rebuilt."
        )
    if content.get("digest") != _digest(str(content["about"]), item_ids, embeddings):
        raise _corrupt(path, "its digest does not match")
    if not are_unit(embeddings) or bool((item_ids.diff() <= 0).any()) or bool((item_ids <= 0).any()):
        raise _corrupt(path, "its rows are not embeddings under ascending ids")
    return tag, item_ids, embeddings


def _load(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            # torch opens its path twice, and another process may replace the file in between: a descriptor stays the same file.
            opened = f"/dev/fd/{file.fileno()}" if os.name == "posix" else str(path)
            content = torch.load(opened, map_location="cpu", mmap=True, weights_only=True)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise StoreError("index_missing", f"There is no index {path}.", remedy="It is rebuilt.") from error
    except Exception as error:
        # torch, zipfile and the file system raise different errors for a broken file.
        raise _corrupt(path, type(error).__name__) from error
    if not isinstance(content, dict):
        raise _corrupt(path, "it contains no table")
    return content


def _plain(path: Path, value: object, dtype: torch.dtype, *, dimensions: int) -> torch.Tensor:
    """Return the value if it is a plain contiguous tensor of this dtype without extra storage."""
    if (
        type(value) is not torch.Tensor
        or value.layout is not torch.strided
        or value.device.type != "cpu"
        or value.dtype != dtype
        or value.ndim != dimensions
        or not value.is_contiguous()
    ):
        raise _corrupt(path, f"a tensor of {dimensions} dimensions and {dtype} is missing")
    return value.detach()


def _tag(path: Path, about: object, *, kind: str) -> IndexTag:
    try:
        fields = json.loads(about) if isinstance(about, str) else None
    except (ValueError, RecursionError) as error:
        raise _corrupt(path, "its description cannot be read") from error
    if isinstance(fields, dict):
        fields.setdefault("removal_mark", "")  # earlier versions did not write it
    if not isinstance(fields, dict) or {name: type(value) for name, value in fields.items()} != _ABOUT_TYPES:
        raise _corrupt(path, "its description is incomplete")
    if (found := (fields.pop("kind"), fields.pop("format"))) != (kind, FORMAT):
        what = f"The index {path} is of the kind {found[0]!r:.40}, format {found[1]}, not of the kind {kind!r}, format {FORMAT}."
        raise StoreError("index_corrupt", what, remedy=_REBUILT)
    return IndexTag(**fields)


def _digest(about: str, item_ids: torch.Tensor, embeddings: torch.Tensor) -> str:
    digest = sha256(about.encode(errors="replace"))
    for tensor in (item_ids, embeddings):
        digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()


def _corrupt(path: Path, what: str) -> StoreError:
    return StoreError("index_corrupt", f"The index {path} is damaged: {what}.", remedy=_REBUILT)
