"""The persisted tensor: exact when sound, refused when anything about it is not as written."""

import hashlib
import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.made_up import made_up_embeddings
from crossmodal.errors import StoreError
from crossmodal.indexes import cache_file
from crossmodal.indexes.base import IndexTag

COUNT, DIM = 40, 16
TAG = IndexTag("a store", "a model", seq=7, removal_seq=5, mark="ff", removal_mark="5 3")
IDS = torch.arange(1, COUNT + 1) * 3
ROWS = torch.from_numpy(made_up_embeddings(COUNT, DIM))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "image_features.pt"
    cache_file.write(path, kind="exact", tag=TAG, item_ids=IDS, embeddings=ROWS)
    return path


def read(path: Path, **changes: Any) -> tuple[IndexTag, torch.Tensor, torch.Tensor]:
    expected = {"kind": "exact", "store_uuid": "a store", "model_id": "a model", "embed_dim": DIM} | changes
    return cache_file.read(path, **expected)


def code(path: Path, **changes: Any) -> str:
    with pytest.raises(StoreError) as raised:
        read(path, **changes)
    assert str(path) in str(raised.value)
    return raised.value.code


def test_it_comes_back_as_it_was_written(path: Path) -> None:
    tag, item_ids, embeddings = read(path)
    assert tag == TAG
    assert torch.equal(item_ids, IDS)
    assert torch.equal(embeddings, ROWS)


def test_the_file_of_an_earlier_version_says_nothing_of_removals(path: Path) -> None:
    rewritten(path, about(lambda fields: fields.pop("removal_mark")))
    assert read(path)[0] == replace(TAG, removal_mark="")


def test_any_process_can_read_the_tensor_by_its_name(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    assert torch.equal(content["embeddings"], ROWS)


def test_missing(tmp_path: Path) -> None:
    assert code(tmp_path / "none.pt") == "index_missing"
    assert code(tmp_path) == "index_missing"


@pytest.mark.parametrize("changes", [{"store_uuid": "other"}, {"model_id": "other"}, {"embed_dim": DIM + 1}])
def test_another_store_or_model(path: Path, changes: dict[str, Any]) -> None:
    assert code(path, **changes) == "index_model_mismatch"


def test_another_kind(path: Path) -> None:
    assert code(path, kind="faiss") == "index_corrupt"


def test_every_truncation_and_every_flipped_bit_is_refused(path: Path) -> None:
    data = path.read_bytes()
    accepted = []
    for size in range(0, len(data), 211):
        path.write_bytes(data[:size])
        assert code(path) == "index_corrupt"
    for position in range(0, len(data), 37):
        path.write_bytes(data[:position] + bytes([data[position] ^ 0x10]) + data[position + 1 :])
        try:
            tag, item_ids, embeddings = read(path)
        except StoreError as error:
            accepted.append(error.code)
        else:
            # The zip around the tensors has bytes that mean nothing: what was read must be what was written.
            assert (tag, item_ids.tolist(), embeddings.tolist()) == (TAG, IDS.tolist(), ROWS.tolist())
    assert set(accepted) <= {"index_corrupt", "index_model_mismatch"}
    assert len(accepted) > 50


def rewritten(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change the content and make its digest right again: only the checks behind the digest can refuse it."""
    content = torch.load(path, weights_only=True)
    replacement = change(content)
    content = content if replacement is None else replacement
    if isinstance(content, dict) and all(isinstance(content.get(name), torch.Tensor) for name in ("item_ids", "embeddings")):
        digest = hashlib.sha256(str(content.get("about")).encode(errors="replace"))
        for name in ("item_ids", "embeddings"):
            tensor = content[name].detach().to_dense().contiguous()
            digest.update(tensor.view(torch.uint8).numpy().tobytes() if tensor.numel() else b"")
        content["digest"] = digest.hexdigest()
    torch.save(content, path)


def about(change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    def apply(content: dict[str, Any]) -> None:
        fields = json.loads(content["about"])
        change(fields)
        content["about"] = json.dumps(fields)

    return apply


def put(name: str, value: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda content: content.update({name: value(content[name]) if callable(value) else value})


DAMAGES: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "a list": (lambda content: list(content.values()), "index_corrupt"),
    "a bare tensor": (lambda content: content["embeddings"], "index_corrupt"),
    "no embeddings": (lambda content: content.update(embeddings=None), "index_corrupt"),
    "no ids": (lambda content: content.update(item_ids=None), "index_corrupt"),
    "no description": (lambda content: content.update(about=None), "index_corrupt"),
    "more rows than ids": (put("item_ids", lambda ids: ids[:-1].clone()), "index_corrupt"),
    "more ids than rows": (put("embeddings", lambda rows: rows[:-1].clone()), "index_corrupt"),
    "fewer columns": (put("embeddings", lambda rows: torch.nn.functional.normalize(rows[:, :8], dim=1)), "index_model_mismatch"),
    "float64": (put("embeddings", lambda rows: rows.double()), "index_corrupt"),
    "ids as int32": (put("item_ids", lambda ids: ids.int()), "index_corrupt"),
    "one row, expanded": (put("embeddings", lambda rows: rows[:1].expand(COUNT, DIM)), "index_corrupt"),
    "transposed": (put("embeddings", lambda rows: rows.T.contiguous().T), "index_corrupt"),
    "sparse": (put("embeddings", lambda rows: rows.to_sparse()), "index_corrupt"),
    "a parameter": (put("embeddings", lambda rows: torch.nn.Parameter(rows)), "index_corrupt"),
    "a row of NaN": (put("embeddings", lambda rows: rows.index_fill(0, torch.tensor([3]), float("nan"))), "index_corrupt"),
    "a row of zeros": (put("embeddings", lambda rows: rows.index_fill(0, torch.tensor([3]), 0.0)), "index_corrupt"),
    "one id twice": (put("item_ids", lambda ids: ids.index_fill(0, torch.tensor([4]), int(ids[3]))), "index_corrupt"),
    "ids out of order": (put("item_ids", lambda ids: ids.flip(0)), "index_corrupt"),
    "an id below 1": (put("item_ids", lambda ids: ids - 5), "index_corrupt"),
    "description not JSON": (put("about", "{not json"), "index_corrupt"),
    "description a list": (put("about", "[1, 2]"), "index_corrupt"),
    "description very deep": (put("about", "[" * 100_000), "index_corrupt"),
    "description not text": (put("about", 5), "index_corrupt"),
    "description with surrogates": (put("about", "\ud800"), "index_corrupt"),
    "a field too many": (about(lambda fields: fields.update(more=1)), "index_corrupt"),
    "a field missing": (about(lambda fields: fields.pop("seq")), "index_corrupt"),
    "a field of another type": (about(lambda fields: fields.update(seq="7")), "index_corrupt"),
    "a truth for a number": (about(lambda fields: fields.update(seq=True)), "index_corrupt"),
    "another format": (about(lambda fields: fields.update(format=2)), "index_corrupt"),
    "another model": (about(lambda fields: fields.update(model_id="other")), "index_model_mismatch"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_not_as_written_is_refused(path: Path, name: str) -> None:
    change, expected = DAMAGES[name]
    rewritten(path, change)
    assert code(path) == expected


def test_the_rewriting_alone_is_not_what_is_refused(path: Path) -> None:
    rewritten(path, lambda content: None)
    assert read(path)[0] == TAG


def test_a_changed_row_under_the_old_digest_is_refused(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    content["embeddings"] = content["embeddings"].flip(0).contiguous()
    torch.save(content, path)
    assert code(path) == "index_corrupt"


def test_code_in_the_file_is_not_run(path: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"

    class Payload:
        def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
            return os.mkdir, (str(canary),)

    torch.save({"embeddings": Payload()}, path)
    assert code(path) == "index_corrupt"
    assert not canary.exists()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_of_something_else_is_refused(path: Path, method: int) -> None:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("archive/data.pkl", bytes(10_000_000))
    assert code(path) == "index_corrupt"


def test_writing_leaves_nothing_but_the_file(path: Path) -> None:
    old, young = (path.with_name(f".draft-{letter * 32}.part") for letter in "ab")
    for draft in (old, young):
        draft.write_bytes(b"half")
    os.utime(old, (0, 0))
    cache_file.write(path, kind="exact", tag=TAG, item_ids=IDS, embeddings=ROWS)
    assert sorted(file.name for file in path.parent.iterdir()) == [young.name, "image_features.pt"]


def test_a_file_replaced_while_it_is_opened_is_read_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch opens its path twice."""
    load = torch.load

    def replace_first(source: str, **options: Any) -> Any:
        cache_file.write(path, kind="exact", tag=TAG, item_ids=IDS[:1], embeddings=ROWS[:1])
        return load(source, **options)

    monkeypatch.setattr(torch, "load", replace_first)
    assert torch.equal(read(path)[1], IDS)


def test_a_failed_write_keeps_the_earlier_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(StoreError) as raised:
        cache_file.write(path, kind="exact", tag=IndexTag("other", "other"), item_ids=IDS, embeddings=ROWS)
    assert raised.value.code == "disk_full"
    assert read(path)[0] == TAG
    assert [file.name for file in path.parent.iterdir()] == [path.name]
