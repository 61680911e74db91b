"""Damaged, foreign and hostile index folders of the shared corpus.

The corpus speaks of `embeddings.npy` beside `metadata.json`; here that is `image_features.pt` beside `catalog.sqlite3`. Each entry is
tried twice: its own bytes under our names, and the same damage done to a sound folder of ours. A tensor file is a cache: refusing it
means that the next search answers from the collection, and rightly. A collection is the truth: refusing it means that nothing is read
from it, and that it stays as it is.
"""

import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.made_up import MODEL_ID, made_up_item, unit
from crossmodal.errors import StoreError
from crossmodal.indexes.synced import SyncedIndex
from crossmodal.items import Item
from crossmodal.store import Store
from tests.hostile import memory
from tests.hostile.conftest import Corpus
from tests.hostile.outcomes import outcome_of

pytestmark = [pytest.mark.hostile, pytest.mark.slow]

COUNT, DIM = 50, 64
MAX_S, MAX_MB = 20.0, 256.0
CATALOG, TENSOR = "catalog.sqlite3", "image_features.pt"
Damage = Callable[[Path], None]
# Refusing the cache has these names: they all mean that it is built anew.
CACHE_CODES = "index_corrupt|index_missing|index_model_mismatch"


def embedding(number: int) -> np.ndarray:
    return unit(np.random.default_rng(number).standard_normal(DIM))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed collection of 50 items with its saved index."""
    folder = tmp_path_factory.mktemp("sound")
    with Store(folder / CATALOG) as store:
        store.items.add_many([made_up_item(number, embed_dim=DIM) for number in range(COUNT)], model_id=MODEL_ID)
        SyncedIndex(store, MODEL_ID, embed_dim=DIM, path=folder / TENSOR).close()
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "copy"))


def search_everything(folder: Path) -> StoreError | None:
    """Open, find every item by its own picture, read its words and its picture; answers why the tensor file was not used."""
    with Store(folder / CATALOG) as store:
        index = SyncedIndex(store, MODEL_ID, embed_dim=DIM, path=folder / TENSOR)
        entries = [made_up_item(number, embed_dim=DIM) for number in range(COUNT)]
        hits = index.search(np.stack([entry.embedding for entry in entries]), 1)
        assert len(index) == COUNT == store.items.count()
        for entry, (best,) in zip(entries, hits, strict=True):
            item: Item = store.items.get(best[0])
            assert (item.title, item.content_hash) == (entry.title, entry.picture.content_hash), "a shifted row"
            assert store.pictures.rendition(item.item_id) == entry.picture.rendition
        return index.refused


def rewrite(change: Callable[[dict[str, Any]], Any]) -> Damage:
    """Change what the tensor file holds."""

    def damage(folder: Path) -> None:
        content = torch.load(folder / TENSOR, weights_only=True)
        replacement = change(content)
        torch.save(content if replacement is None else replacement, folder / TENSOR)

    return damage


def replace_rows(rows: Callable[[torch.Tensor], torch.Tensor]) -> Damage:
    return rewrite(lambda content: content.update(embeddings=rows(content["embeddings"])))


def replace_description(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Damage:
    return rewrite(lambda content: content.update(about=json.dumps(change(json.loads(content["about"])))))


def cut(name: str, percent: int) -> Damage:
    def damage(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) * percent // 100])

    return damage


def delete(name: str) -> Damage:
    return lambda folder: (folder / name).unlink()


def say_more_rows(rows: int) -> Damage:
    """A tensor whose description claims more rows than the file has bytes for."""

    def damage(folder: Path) -> None:
        claimed = b"\x8a\x06" + rows.to_bytes(6, "little")
        with zipfile.ZipFile(folder / TENSOR) as archive:
            entries = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(folder / TENSOR, "w", zipfile.ZIP_STORED) as archive:
            for name, data in entries.items():
                before = bytes([ord("K"), COUNT, ord("K"), DIM])
                assert not name.endswith("data.pkl") or before in data
                archive.writestr(name, data.replace(before, claimed + before[2:]) if name.endswith("data.pkl") else data)

    return damage


def run_code(folder: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
            return os.mkdir, (str(folder / "canary"),)

    torch.save({"embeddings": Payload()}, folder / TENSOR)


def title_is_a_path(folder: Path) -> None:
    with Store(folder / CATALOG) as store, store._database.writing() as db:
        db.execute("UPDATE items SET source = '../../../../etc/passwd' WHERE key = 'made up 1'")


def captions_are(words: str) -> Damage:
    def damage(folder: Path) -> None:
        with Store(folder / CATALOG) as store, store._database.writing() as db:
            db.execute("UPDATE items SET captions = ?", (words,))

    return damage


# The same damage to a folder of ours, by the name of the corpus' entry, and what may be said of it; "" is to be accepted.
OURS: dict[str, tuple[Damage, str]] = {
    "good": (lambda folder: None, ""),
    **{f"npy_truncated_{percent}": (cut(TENSOR, percent), "index_corrupt") for percent in (1, 50, 99)},
    **{f"json_truncated_{percent}": (cut(CATALOG, percent), "index_corrupt") for percent in (1, 50, 99)},
    "npy_zero_bytes": (cut(TENSOR, 0), "index_corrupt"),
    "json_zero_bytes": (cut(CATALOG, 0), "index_corrupt"),
    "npy_missing": (delete(TENSOR), "index_missing"),
    "more_vectors_than_meta": (rewrite(lambda content: content.update(item_ids=content["item_ids"][:40].clone())), "index_corrupt"),
    "more_meta_than_vectors": (replace_rows(lambda rows: rows[:40].clone()), "index_corrupt"),
    "wrong_dim": (replace_rows(lambda rows: torch.nn.functional.normalize(rows[:, :32])), "index_model_mismatch"),
    "header_says_more": (say_more_rows(5000), "index_corrupt"),
    "header_2e40_rows": (say_more_rows(2**40), "index_corrupt"),
    "float64": (replace_rows(lambda rows: rows.double()), "index_corrupt"),
    "object_dtype_pickle": (run_code, "index_corrupt"),
    "nan_rows": (replace_rows(lambda rows: rows * torch.nan), "index_corrupt"),
    "zero_rows": (replace_rows(torch.zeros_like), "index_corrupt"),
    "dup_ids": (rewrite(lambda content: content.update(item_ids=torch.ones_like(content["item_ids"]))), "index_corrupt"),
    "meta_not_list": (replace_description(lambda fields: {"a": 1}), "index_corrupt"),
    "meta_null_items": (rewrite(lambda content: dict.fromkeys(content)), "index_corrupt"),
    "meta_types": (replace_description(lambda fields: {name: [value] for name, value in fields.items()}), "index_corrupt"),
    "meta_nan_json": (captions_are("NaN"), "index_corrupt"),
    "meta_path_traversal": (title_is_a_path, ""),
    "meta_deep_json": (captions_are("[" * 100_000 + "]" * 100_000), "index_corrupt"),
    "leftover_tmp": (lambda folder: (folder / f"{TENSOR}.123.tmp").write_bytes(b"half") and None, ""),
}
# In these the collection itself is damaged, in the others only the cache.
COLLECTION_IS_DAMAGED = {
    "json_zero_bytes",
    "meta_nan_json",
    "meta_deep_json",
    *(f"json_truncated_{percent}" for percent in (1, 50, 99)),
}
# Nothing like it can be in our files (no header that is evaluated), or it is tested on its own below.
NOT_OURS = {"header_eval", "json_missing", "both_missing"}


def test_every_folder_of_the_corpus_has_its_like_here(hostile_corpus: Corpus) -> None:
    folders = {
        entry["id"].removeprefix("index/")
        for entry in hostile_corpus.entries("index")
        if "npz" not in entry["id"] and "sqlite" not in entry["id"]
    }
    assert folders == OURS.keys() | NOT_OURS


@pytest.mark.parametrize("name", OURS)
def test_the_same_damage_to_our_own_folder(folder: Path, name: str) -> None:
    damage, codes = OURS[name]
    damage(folder)
    before = (folder / CATALOG).read_bytes()
    memory.reset_peak()
    floor = memory.peak_mb()
    outcome = outcome_of(lambda: search_everything(folder))
    assert memory.peak_mb() - floor < MAX_MB
    assert outcome.seconds < MAX_S
    assert not (folder / "canary").exists()
    if name in COLLECTION_IS_DAMAGED:
        assert outcome.complaint("reject", codes) == ""
        assert (folder / CATALOG).read_bytes() == before, "a damaged collection must stay as it is"
    else:
        assert outcome.complaint("accept", "") == ""
        assert ("" if outcome.value is None else outcome.value.code) == codes


def test_a_collection_that_is_gone_is_a_new_one_and_the_old_index_is_not_used(folder: Path) -> None:
    (folder / CATALOG).unlink()
    with Store(folder / CATALOG) as store:
        index = SyncedIndex(store, MODEL_ID, embed_dim=DIM, path=folder / TENSOR)
        assert index.refused is not None
        assert index.refused.code == "index_model_mismatch"
        assert len(index) == 0


def test_the_corpus_own_tensor_files_under_our_name(hostile_corpus: Corpus, sound: Path, tmp_path: Path) -> None:
    complaints = {}
    for entry in hostile_corpus.entries("index"):
        path = hostile_corpus.folder("index") / entry["path"]
        file = path / "embeddings.npy" if path.is_dir() else path
        folder = Path(shutil.copytree(sound, tmp_path / entry["id"]))
        (folder / TENSOR).unlink()
        if file.exists():
            shutil.copy(file, folder / TENSOR)
        memory.reset_peak()
        floor = memory.peak_mb()
        outcome = outcome_of(lambda folder=folder: search_everything(folder))
        problem = outcome.complaint("accept", "")
        if not problem and (outcome.value is None or outcome.value.code not in CACHE_CODES):
            problem = "the file was used"
        if outcome.seconds > MAX_S or memory.peak_mb() - floor > MAX_MB:
            problem = f"took {outcome.seconds:.1f} s and {memory.peak_mb() - floor:.0f} MB"
        if problem:
            complaints[entry["id"]] = problem
    assert complaints == {}
    assert not hostile_corpus.canary_fired("index")


def test_the_corpus_own_files_opened_as_a_collection(hostile_corpus: Corpus, tmp_path: Path) -> None:
    """Even the sound database among them is another program's, and so refused."""
    complaints = {}
    for entry in hostile_corpus.entries("index"):
        path = hostile_corpus.folder("index") / entry["path"]
        file = path / "metadata.json" if path.is_dir() else path
        if not file.exists():
            continue
        copy = tmp_path / f"{entry['id'].replace('/', '_')}.sqlite3"
        shutil.copy(file, copy)
        outcome = outcome_of(lambda copy=copy: Store(copy).close())
        problem = outcome.complaint("reject", "index_corrupt")
        if copy.read_bytes() != file.read_bytes():
            problem = "the file was changed"
        if problem:
            complaints[entry["id"]] = problem
    assert complaints == {}


SQLITE_DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "sqlite_ok": lambda data: data,
    "sqlite_truncated": lambda data: data[: len(data) // 2 + 100],
    "sqlite_header_zero": lambda data: bytes(100) + data[100:],
    "sqlite_page_garbage": lambda data: data[:8192] + os.urandom(4096) + data[12288:],
    "sqlite_empty": lambda data: b"",
}


@pytest.mark.parametrize("name", SQLITE_DAMAGES)
def test_the_corpus_database_damages_to_our_collection(hostile_corpus: Corpus, folder: Path, name: str) -> None:
    expected = next(entry["expect"] for entry in hostile_corpus.entries("index") if entry["id"].endswith(name))
    damaged = SQLITE_DAMAGES[name]((folder / CATALOG).read_bytes())
    (folder / CATALOG).write_bytes(damaged)
    outcome = outcome_of(lambda: search_everything(folder))
    assert outcome.complaint(expected["outcome"], expected.get("code", "")) == ""
    if outcome.code:
        assert (folder / CATALOG).read_bytes() == damaged
