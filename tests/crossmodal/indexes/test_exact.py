"""What the exact index does beyond the contract: growing, merging, and searching while it is written."""

import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.made_up import made_up_embeddings
from crossmodal.indexes import nearest
from crossmodal.indexes.base import IndexTag
from crossmodal.indexes.exact import ExactIndex

DIM = 16


def test_one_by_one_is_the_same_as_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossmodal.indexes.exact._MIN_TAIL_ROWS", 20)
    rows = made_up_embeddings(500, DIM)
    slow, fast = ExactIndex(DIM), ExactIndex(DIM)
    for item_id, row in enumerate(rows, 1):
        slow.add([item_id], row[None])
    fast.add(range(1, 501), rows)
    queries = made_up_embeddings(5, DIM, seed=1)
    assert slow.search(queries, 30) == fast.search(queries, 30)


@pytest.mark.slow
def test_adding_copies_each_row_a_few_times_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """Amortised O(1): the rows copied by merges and growing buffers stay in proportion to the rows added."""
    copied = 0
    cat, new_empty = torch.cat, torch.Tensor.new_empty

    def counting_cat(tensors: list[torch.Tensor], *args: object, **kwargs: object) -> torch.Tensor:
        nonlocal copied
        copied += sum(len(tensor) for tensor in tensors if tensor.ndim == 2 and tensor.shape[1] == 4)
        return cat(tensors, *args, **kwargs)

    def counting_empty(tensor: torch.Tensor, *shape: int) -> torch.Tensor:
        nonlocal copied
        copied += shape[0] // 2 if len(shape) == 2 else 0
        return new_empty(tensor, *shape)

    monkeypatch.setattr(torch, "cat", counting_cat)
    monkeypatch.setattr(torch.Tensor, "new_empty", counting_empty)
    monkeypatch.setattr("crossmodal.indexes.exact._MIN_TAIL_ROWS", 64)
    row = made_up_embeddings(1, 4)
    index = ExactIndex(4)
    for item_id in range(1, 4001):
        index.add([item_id], row)
    assert 4000 < copied < 8 * 4000


def test_removing_gives_memory_back() -> None:
    rows = made_up_embeddings(6000, DIM)
    index = ExactIndex(DIM)
    index.add(range(1, 6001), rows)
    index.remove(range(1, 5001))
    assert len(index) == 1000
    assert sum(len(segment.item_ids) for segment in index._view) < 3000
    assert index.search(rows[5999:], 1)[0][0][0] == 6000


def test_searches_while_another_thread_writes_see_whole_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer replaces all rows by the next generation's at once: a search must never see two generations."""
    monkeypatch.setattr("crossmodal.indexes.exact._MIN_TAIL_ROWS", 100)
    directions = np.eye(DIM, dtype=np.float32)
    index = ExactIndex(DIM)
    index.add(range(1, 41), np.repeat(directions[:1], 40, axis=0))
    stop = threading.Event()
    mixed: list[list[tuple[int, float]]] = []

    def search() -> None:
        while not stop.is_set():
            hits = index.search(np.ones((1, DIM), dtype=np.float32), 100, exclude=[41])[0]
            if [item_id for item_id, _ in hits] != list(range(1, 41)):
                mixed.append(hits)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for generation in range(150):
        index.add(range(1, 41), np.repeat(directions[generation % DIM][None], 40, axis=0))
        index.apply([41, 3], [3, 41], np.repeat(directions[generation % DIM][None], 2, axis=0))
        index.remove([41])
    stop.set()
    for thread in threads:
        thread.join()
    assert mixed == []


def test_saving_does_not_stop_what_comes_after(tmp_path: Path) -> None:
    rows = made_up_embeddings(30, DIM)
    index = ExactIndex(DIM)
    index.add(range(1, 21), rows[:20])
    index.save(tmp_path / "index.pt", tag=IndexTag("s", "m"))
    index.add(range(21, 31), rows[20:])
    loaded, _ = ExactIndex.load(tmp_path / "index.pt", store_uuid="s", model_id="m", embed_dim=DIM)
    assert (len(index), len(loaded)) == (30, 20)
    loaded.remove([1])
    loaded.add([20], rows[29:])
    again, _ = ExactIndex.load(tmp_path / "index.pt", store_uuid="s", model_id="m", embed_dim=DIM)
    assert len(again) == 20
    assert again.search(rows[19:20], 1)[0][0][0] == 20, "what is loaded can be changed, the file cannot"


def test_a_search_leaves_the_number_of_threads_alone() -> None:
    index = ExactIndex(DIM)
    index.add(range(1, 21), made_up_embeddings(20, DIM))
    before = torch.get_num_threads()
    index.search(made_up_embeddings(1, DIM), 5)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("top_k", [1, 10, 200])
def test_candidates_hold_the_truly_best_although_scores_are_rounded(top_k: int) -> None:
    """Rows that differ by less than float32 products can tell."""
    dim = 512
    base = np.random.default_rng(0).standard_normal(dim)
    rows = base + 1e-5 * np.random.default_rng(1).standard_normal((1000, dim))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    query = (base / np.linalg.norm(base)).astype(np.float32)
    truth = np.argsort(-(rows.astype(np.float64) @ query.astype(np.float64)))[:top_k]
    scores = torch.from_numpy(rows) @ torch.from_numpy(query)
    found = nearest.candidates(scores, top_k, embed_dim=dim)
    assert set(truth.tolist()) <= set(found.tolist())
    assert len(set(found.tolist())) == len(found)


def test_few_candidates_are_enough_where_scores_differ() -> None:
    scores = torch.linspace(-1, 1, 1000)
    assert sorted(nearest.candidates(scores, 5, embed_dim=64).tolist()) == [995, 996, 997, 998, 999]
