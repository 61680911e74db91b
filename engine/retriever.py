"""Search embeddings held in memory, without a collection: for scripts and notebooks."""

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch

from crossmodal.errors import QueryError
from crossmodal.indexes.base import Hits, Vectors
from crossmodal.indexes.exact import ExactIndex
from crossmodal.items import Embedding
from crossmodal.text.cleaning import clean_query
from engine.validation import whole_number_of


class EncodesTexts(Protocol):
    """The part of `TrainedModel` that a text search needs."""

    def encode_texts(self, texts: Sequence[str]) -> Embedding:
        """Shape: n texts → (n, embed_dim) float32."""


class CrossModalRetriever:
    """Exact search by text among the embeddings of pictures; `LostFoundApp` is the same search over a stored collection.

    Args:
        model: encodes the queries, for instance what `engine.models.loading.load_model` returns; it must have made the embeddings.
        image_embeddings: (n, embed_dim), finite, not zero; normalised here.
        img_names: n names. A name may occur several times, for instance once per caption: it is found once, by its best embedding.

    Raises:
        QueryError: `bad_request`: the embeddings have another shape, no direction, or not one name each.
    """

    MAX_QUERY_CHARS = 2_000
    MAX_TOP_K = 10_000

    def __init__(self, model: EncodesTexts, image_embeddings: Vectors, img_names: Sequence[str]) -> None:
        rows = torch.as_tensor(image_embeddings).detach().to("cpu", torch.float64)
        if rows.ndim != 2 or len(rows) != len(img_names):
            what = f"{len(img_names):,} names do not fit embeddings of shape {tuple(rows.shape)}."
            raise QueryError("bad_request", what, remedy="Give one row and one name for each picture.")
        lengths = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
        if not bool((torch.isfinite(lengths) & (lengths > 0)).all()):
            raise QueryError("bad_request", "An embedding is zero or not finite.", remedy="Check the model that made it.")
        self.model = model
        self.img_names = list(img_names)
        self._most_rows_of_a_name = max(Counter(self.img_names).values(), default=1)
        self._index = ExactIndex(rows.shape[1])
        self._index.add(np.arange(1, len(rows) + 1), (rows / lengths).float())

    def search_by_text(self, query: str, top_k: int = 5) -> list[tuple[str, float]]:
        """The names of the pictures that fit a description best, with their scores: cosines in [-1, 1], best first.

        Equal scores are in the order of `img_names`.

        Raises:
            QueryError: `text_empty`, `text_too_long`; `bad_request`: `top_k` is not from 1 to `MAX_TOP_K`, or the model makes embeddings
                of another length.
        """
        text = clean_query(query, max_chars=self.MAX_QUERY_CHARS)
        wanted = whole_number_of(top_k, "The number of results", 1, self.MAX_TOP_K)
        [hits] = self._index.search(self.model.encode_texts([text]), wanted * self._most_rows_of_a_name)
        return self._named(hits)[:wanted]

    def _named(self, hits: Hits) -> list[tuple[str, float]]:
        best: dict[str, float] = {}
        for row, score in hits:
            best.setdefault(self.img_names[row - 1], score)
        return list(best.items())
