"""The in-memory retriever against a slow plain copy, and what it refuses."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from crossmodal.errors import QueryError
from crossmodal.items import Embedding
from engine.retriever import CrossModalRetriever
from tests.tiny import drawn, shared_model

DIM = 3
VECTORS = arrays(np.float32, DIM, elements=st.integers(-3, 3).map(float)).filter(np.any)


class OneVector:
    """A model that encodes every text as the same vector, and notes the texts."""

    def __init__(self, vector: Sequence[float]) -> None:
        self.vector = vector
        self.texts: list[str] = []

    def encode_texts(self, texts: Sequence[str]) -> Embedding:
        self.texts += texts
        return np.array([self.vector] * len(texts), np.float32)


def plain(query: Sequence[float], rows: Sequence[Sequence[float]], names: Sequence[str]) -> list[tuple[str, float]]:
    """Every name with the best of its cosines, one number at a time."""

    def cosine(row: Sequence[float]) -> float:
        product = math.fsum(float(a) * float(b) for a, b in zip(query, row, strict=True))
        return product / math.sqrt(math.fsum(float(a) ** 2 for a in query) * math.fsum(float(a) ** 2 for a in row))

    scored = sorted(((round(cosine(row), 6), -place, names[place]) for place, row in enumerate(rows)), reverse=True)
    best: dict[str, float] = {}
    for score, _, name in scored:
        best.setdefault(name, score)
    return list(best.items())


@settings(deadline=None, max_examples=150)
@given(st.data(), VECTORS, st.lists(VECTORS, max_size=30), st.integers(1, 12))
def test_it_finds_what_a_plain_loop_finds(data: st.DataObject, query: Embedding, rows: list[Embedding], top_k: int) -> None:
    names = data.draw(st.lists(st.sampled_from("abcdefgh"), min_size=len(rows), max_size=len(rows)))
    embeddings = np.array(rows, np.float32).reshape(-1, DIM)
    expected = plain(query.tolist(), embeddings.tolist(), names)

    found = CrossModalRetriever(OneVector(query.tolist()), embeddings, names).search_by_text("a mug", top_k)

    assert len(found) == min(top_k, len(set(names)))
    assert [score for _, score in found] == pytest.approx([score for _, score in expected[:top_k]], abs=2e-6)
    assert dict(found) == {name: pytest.approx(dict(expected)[name], abs=2e-6) for name, _ in found}


def test_equal_scores_keep_the_order_of_the_names() -> None:
    retriever = CrossModalRetriever(OneVector([1, 0]), np.array([[1, 1], [2, 2], [1, 0]], np.float32), ["first", "second", "best"])

    assert [name for name, _ in retriever.search_by_text("x", 3)] == ["best", "first", "second"]


def test_a_trained_model_finds_its_own_pictures() -> None:
    model = shared_model()
    kinds = [("red", "disc"), ("green", "bar"), ("blue", "disc"), ("black", "bar")]
    embeddings = model.encode_pixels(np.stack([drawn(colour, thing, 5) for colour, thing in kinds]))
    retriever = CrossModalRetriever(model, torch.from_numpy(embeddings), [f"{colour}-{thing}.png" for colour, thing in kinds])

    [(name, score)] = retriever.search_by_text("red disc", top_k=1)

    assert name == "red-disc.png"
    assert score == pytest.approx(float(embeddings[0] @ model.encode_texts(["red disc"])[0]), abs=1e-5)


def test_the_query_is_cleaned_like_every_other() -> None:
    model = OneVector([1, 0])

    CrossModalRetriever(model, np.eye(2, dtype=np.float32), ["a", "b"]).search_by_text("  red\tmug ")

    assert model.texts == ["red mug"]


@pytest.mark.parametrize(
    ("query", "top_k", "code"),
    [
        (" ", 5, "text_empty"),
        ("x" * 2_001, 5, "text_too_long"),
        ("x", 0, "bad_request"),
        ("x", True, "bad_request"),
        ("x", 10_001, "bad_request"),
    ],
)
def test_an_invalid_question_is_refused(query: str, top_k: int, code: str) -> None:
    with pytest.raises(QueryError) as refused:
        CrossModalRetriever(OneVector([1, 0]), np.eye(2, dtype=np.float32), ["a", "b"]).search_by_text(query, top_k)

    assert refused.value.code == code


@pytest.mark.parametrize(
    ("embeddings", "names"),
    [
        (np.eye(2, dtype=np.float32), ["a"]),
        (np.ones(2, np.float32), ["a", "b"]),
        (np.zeros((1, 2), np.float32), ["a"]),
        (np.full((1, 2), np.nan, np.float32), ["a"]),
    ],
)
def test_embeddings_that_cannot_be_searched_are_refused(embeddings: Embedding, names: list[str]) -> None:
    with pytest.raises(QueryError) as refused:
        CrossModalRetriever(OneVector([1, 0]), embeddings, names)

    assert refused.value.code == "bad_request"


def test_a_model_of_another_length_is_refused() -> None:
    retriever = CrossModalRetriever(OneVector([1, 0, 0]), np.eye(2, dtype=np.float32), ["a", "b"])

    with pytest.raises(QueryError) as refused:
        retriever.search_by_text("x")

    assert refused.value.code == "bad_request"
