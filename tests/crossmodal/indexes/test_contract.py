"""What every vector index promises, held against a slow plain copy. Every kind that is registered is held against it."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from benchmarks.made_up import made_up_embeddings, unit
from crossmodal.errors import QueryError, StoreError
from crossmodal.indexes.base import IndexTag, VectorIndex
from crossmodal.indexes.exact import ExactIndex
from crossmodal.indexes.kinds import INDEX_KINDS
from tests.crossmodal.indexes.plain import plain_search

INDEXES = list(INDEX_KINDS.values())
DIM = 8
TAG = IndexTag("a store", "a model", seq=3, removal_seq=2, mark="abc")


@pytest.fixture(params=INDEXES, ids=lambda engine: engine.kind)
def index(request: pytest.FixtureRequest) -> VectorIndex:
    empty: VectorIndex = request.param(DIM)
    return empty


def reopened(index: VectorIndex, folder: Path) -> VectorIndex:
    index.save(folder / "index.pt", tag=TAG)
    loaded, tag = type(index).load(folder / "index.pt", store_uuid="a store", model_id="a model", embed_dim=index.embed_dim)
    assert tag == TAG
    return loaded


def assert_same(hits: list[tuple[int, float]], expected: list[tuple[int, float]]) -> None:
    """The same ids in the same order, with the same cosines to nine decimals but for the last."""
    assert [item_id for item_id, _ in hits] == [item_id for item_id, _ in expected]
    assert np.allclose([score for _, score in hits], [score for _, score in expected], rtol=0, atol=1.1e-9)


def test_an_empty_index_finds_nothing(index: VectorIndex, tmp_path: Path) -> None:
    assert len(index) == 0
    assert index.search(made_up_embeddings(3, DIM), 5) == [[], [], []]
    assert index.search(np.empty((0, DIM), dtype=np.float32), 5) == []
    index.add([], np.empty((0, DIM), dtype=np.float32))
    index.remove([1, 2])
    assert len(reopened(index, tmp_path)) == 0


@pytest.mark.parametrize("count", [1, 2, 17, 300])
@pytest.mark.parametrize("top_k", [1, 5, 16, 17, 400])
def test_search_is_the_plain_search(index: VectorIndex, count: int, top_k: int) -> None:
    rows = made_up_embeddings(count, DIM)
    index.add(range(1, count + 1), rows)
    queries = made_up_embeddings(4, DIM, seed=1)
    for query, hits in zip(queries, index.search(queries, top_k), strict=True):
        assert_same(hits, plain_search(dict(enumerate(rows, 1)), query, top_k))


@pytest.mark.parametrize("dim", [1, 3, 64, 500])
def test_any_embedding_length(dim: int) -> None:
    for engine in INDEXES:
        index = engine(dim)
        rows = made_up_embeddings(50, dim)
        index.add(range(1, 51), rows)
        assert_same(index.search(rows[:1], 9)[0], plain_search(dict(enumerate(rows, 1)), rows[0], 9))


def test_equal_embeddings_come_in_the_order_of_their_ids(index: VectorIndex) -> None:
    twins = np.repeat(made_up_embeddings(1, DIM), 60, axis=0)
    others = made_up_embeddings(40, DIM, seed=1)
    ids = np.random.default_rng(2).permutation(np.arange(1, 101))
    index.add(ids[:50], np.concatenate([twins[:30], others[:20]]))
    index.add(ids[50:], np.concatenate([twins[30:], others[20:]]))
    twin_ids = sorted([*ids[:30].tolist(), *ids[50:80].tolist()])
    for top_k in (1, 7, 30, 59, 60):
        hits = index.search(twins[:1], top_k)[0]
        assert [item_id for item_id, _ in hits] == twin_ids[:top_k]
        assert {score for _, score in hits} == {hits[0][1]}


def test_scores_are_cosines_whatever_the_length_of_the_query(index: VectorIndex) -> None:
    row = made_up_embeddings(1, DIM)
    index.add([1, 2], np.concatenate([row, -row]))
    for scale in (1e-30, 0.5, 1e30):
        assert_same(index.search(row * np.float32(scale), 2)[0], [(1, 1.0), (2, -1.0)])


def test_rows_whose_length_is_a_rounding_off_are_ranked_by_their_cosines(index: VectorIndex) -> None:
    """As normalising in float32 may leave them: the longer row is not the nearer one."""
    angles = np.array([0.0, 0.0, 4e-4, 0.001, 0.001])
    lengths = np.array([1 - 9e-6, 1 + 9e-6, 1 + 9e-6, 1.0, 1 - 9e-6])
    rows = np.zeros((5, DIM))
    rows[:, 0], rows[:, 1] = lengths * np.cos(angles), lengths * np.sin(angles)
    index.add(range(1, 6), rows.astype(np.float32))
    query = np.eye(1, DIM, dtype=np.float32)
    for top_k in range(1, 6):
        hits = index.search(query, top_k)[0]
        assert [item_id for item_id, _ in hits] == [1, 2, 3, 4, 5][:top_k]
        assert np.allclose([score for _, score in hits], np.cos(angles)[:top_k], rtol=0, atol=1e-9)


def test_a_torch_query_is_as_good(index: VectorIndex) -> None:
    rows = made_up_embeddings(20, DIM)
    index.add(range(1, 21), torch.from_numpy(rows))
    query = torch.from_numpy(rows[:2]).clone().requires_grad_()
    assert index.search(query, 3) == index.search(rows[:2], 3)
    assert index.search(np.frombuffer(rows[:1].tobytes(), dtype=np.float32).reshape(1, DIM), 3) == index.search(rows[:1], 3)


def test_excluded_items_are_passed_over(index: VectorIndex) -> None:
    rows = made_up_embeddings(30, DIM)
    index.add(range(1, 31), rows)
    best = [item_id for item_id, _ in index.search(rows[:1], 30)[0]]
    hits = index.search(rows[:1], 5, exclude={best[0], best[2], 999})[0]
    assert [item_id for item_id, _ in hits] == [best[1], *best[3:7]]
    assert index.search(rows[:1], 5, exclude=range(1, 31)) == [[]]


@pytest.mark.parametrize("count", [0, 1, 3, 40, 290, 300])
def test_only_allowed_items_are_found(index: VectorIndex, count: int) -> None:
    """Few of many, many of many, and ids that are not there; with removed, replaced and excluded ones among them."""
    rows = made_up_embeddings(300, DIM)
    index.add(range(1, 301), rows)
    index.add([7], rows[:1])
    index.remove([3, 4, 5])
    allowed = np.random.default_rng(count).permutation(np.arange(1, 301))[:count]
    there = {i: rows[0] if i == 7 else rows[i - 1] for i in sorted(allowed.tolist()) if i not in (3, 4, 5, 9)}
    queries = made_up_embeddings(3, DIM, seed=1)
    for given in (allowed, [*allowed.tolist(), 9999, 9999, -1]):
        for top_k in (1, 5, 400):
            answers = index.search(queries, top_k, allowed=given, exclude=[9])
            for query, hits in zip(queries, answers, strict=True):
                assert_same(hits, plain_search(there, query, top_k))


def test_nothing_allowed_finds_nothing(index: VectorIndex) -> None:
    index.add([1, 2], made_up_embeddings(2, DIM))
    assert index.search(made_up_embeddings(2, DIM, seed=1), 5, allowed=[]) == [[], []]
    assert index.search(made_up_embeddings(1, DIM, seed=1), 5, allowed=[3]) == [[]]


def test_adding_an_id_again_replaces_it(index: VectorIndex) -> None:
    first, second = made_up_embeddings(2, DIM)
    index.add([1, 2], np.stack([first, unit(np.ones(DIM))]))
    index.add([1], second[None])
    assert len(index) == 2
    assert_same(index.search(second[None], 1)[0], [(1, 1.0)])
    index.add([3, 3], np.stack([first, second]))
    assert len(index) == 3
    assert_same(index.search(second[None], 2)[0], [(1, 1.0), (3, 1.0)])


def test_removed_items_are_not_found(index: VectorIndex, tmp_path: Path) -> None:
    rows = made_up_embeddings(10, DIM)
    index.add(range(1, 11), rows)
    index.remove([1, 1, 5, 999])
    assert len(index) == 8
    left = {item_id: row for item_id, row in enumerate(rows, 1) if item_id not in (1, 5)}
    assert_same(index.search(rows[:1], 10)[0], plain_search(left, rows[0], 10))
    assert_same(reopened(index, tmp_path).search(rows[:1], 10)[0], plain_search(left, rows[0], 10))
    index.remove(list(left))
    assert (len(index), index.search(rows[:1], 10)) == (0, [[]])
    index.add([1], rows[:1])
    assert_same(index.search(rows[:1], 10)[0], [(1, 1.0)])


def test_many_queries_are_answered_in_blocks(index: VectorIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = made_up_embeddings(50, DIM)
    index.add(range(1, 51), rows)
    whole = index.search(rows, 4)
    monkeypatch.setattr("crossmodal.indexes.exact._MAX_SCORE_BYTES", 1000)
    assert index.search(rows, 4) == whole


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    "query",
    [np.full((1, DIM), NAN), np.full((1, DIM), INF), np.zeros((1, DIM)), np.ones(DIM), np.ones((1, DIM + 1)), np.ones((1, 1, DIM))],
)
def test_a_query_without_a_direction_is_refused(index: VectorIndex, query: np.ndarray) -> None:
    index.add([1], made_up_embeddings(1, DIM))
    with pytest.raises(QueryError) as raised:
        index.search(query.astype(np.float32), 3)
    assert raised.value.code == "bad_request"


@pytest.mark.parametrize("top_k", [0, -1])
def test_fewer_than_one_result_is_refused(index: VectorIndex, top_k: int) -> None:
    with pytest.raises(QueryError) as raised:
        index.search(made_up_embeddings(1, DIM), top_k)
    assert raised.value.code == "bad_request"


@pytest.mark.parametrize(
    ("ids", "rows", "code"),
    [
        ([1], np.full((1, DIM), NAN), "bad_request"),
        ([1], np.zeros((1, DIM)), "bad_request"),
        ([1], np.ones((1, DIM)), "bad_request"),
        ([1], made_up_embeddings(1, DIM) * np.float32(1.0005), "bad_request"),
        ([1, 2], made_up_embeddings(1, DIM), "bad_request"),
        ([1], made_up_embeddings(1, DIM)[0], "bad_request"),
        ([0], made_up_embeddings(1, DIM), "bad_request"),
        ([1], made_up_embeddings(1, DIM + 1), "index_model_mismatch"),
    ],
)
def test_what_is_no_embedding_is_not_taken_in(index: VectorIndex, ids: list[int], rows: np.ndarray, code: str) -> None:
    with pytest.raises(StoreError) as raised:
        index.add(ids, rows.astype(np.float32))
    assert raised.value.code == code
    assert len(index) == 0


def test_what_is_refused_changes_nothing(index: VectorIndex) -> None:
    index.add([1, 2], made_up_embeddings(2, DIM))
    with pytest.raises(StoreError):
        index.apply([1], [3], np.zeros((1, DIM), dtype=np.float32))
    assert len(index) == 2


def grid_vectors() -> st.SearchStrategy[np.ndarray]:
    """Few different directions, so that ties are common."""
    return (
        st.lists(st.integers(-1, 1), min_size=3, max_size=3)
        .filter(any)
        .map(lambda values: unit(np.array(values, dtype=np.float64)))
    )


class AgainstPlain(RuleBasedStateMachine):
    """Any sequence of adding, replacing, removing, merging and reopening, against a dict."""

    engine: type[VectorIndex] = ExactIndex

    def __init__(self) -> None:
        super().__init__()
        self.index = self.engine(3)
        self.rows: dict[int, np.ndarray] = {}

    @rule(rows=st.dictionaries(st.integers(1, 60), grid_vectors(), max_size=12))
    def add(self, rows: dict[int, np.ndarray]) -> None:
        self.index.add(list(rows), np.array(list(rows.values()), dtype=np.float32).reshape(len(rows), 3))
        self.rows |= rows

    @rule(ids=st.lists(st.integers(1, 60), max_size=20))
    def remove(self, ids: list[int]) -> None:
        self.index.remove(ids)
        self.rows = {item_id: row for item_id, row in self.rows.items() if item_id not in ids}

    @rule(ids=st.lists(st.integers(1, 60), max_size=20), rows=st.dictionaries(st.integers(1, 60), grid_vectors(), max_size=12))
    def apply(self, ids: list[int], rows: dict[int, np.ndarray]) -> None:
        self.index.apply(ids, list(rows), np.array(list(rows.values()), dtype=np.float32).reshape(len(rows), 3))
        self.rows = {item_id: row for item_id, row in self.rows.items() if item_id not in ids} | rows

    @rule()
    def reopen(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            self.index = reopened(self.index, Path(folder))

    @rule(query=grid_vectors(), top_k=st.integers(1, 70))
    def search(self, query: np.ndarray, top_k: int) -> None:
        assert_same(self.index.search(query[None], top_k)[0], plain_search(self.rows, query, top_k))

    @rule(query=grid_vectors(), top_k=st.integers(1, 20), allowed=st.lists(st.integers(1, 60), max_size=40))
    def search_among(self, query: np.ndarray, top_k: int, allowed: list[int]) -> None:
        rows = {item_id: row for item_id, row in self.rows.items() if item_id in allowed}
        assert_same(self.index.search(query[None], top_k, allowed=allowed)[0], plain_search(rows, query, top_k))

    @invariant()
    def same_size(self) -> None:
        assert len(self.index) == len(self.rows)


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Merges and buffer growth within a few steps."""
    monkeypatch.setattr("crossmodal.indexes.exact._MIN_TAIL_ROWS", 10)
    monkeypatch.setattr("crossmodal.indexes.exact._MIN_DEAD_ROWS", 6)
    monkeypatch.setattr("crossmodal.indexes.exact._FIRST_CAPACITY", 4)
    monkeypatch.setattr("crossmodal.indexes.nearest._SPARE", 2)


@pytest.mark.slow
@pytest.mark.usefixtures("small_segments")
@pytest.mark.parametrize("engine", INDEXES, ids=lambda engine: engine.kind)
def test_any_history_ends_like_the_plain_copy(engine: type[VectorIndex]) -> None:
    machine = type("Machine", (AgainstPlain,), {"engine": engine})
    machine.TestCase.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
    machine.TestCase().runTest()
