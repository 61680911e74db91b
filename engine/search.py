"""Answering questions: a text, a picture or both to the items nearest to it, and a picture to the texts nearest to it."""

from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from crossmodal.errors import QueryError
from crossmodal.items import CaptionResult, Embedding, Picture, SearchResult
from crossmodal.store import Conditions, Store
from engine.encoding import Encoding, reads_titles
from engine.models.generations import Generation
from engine.validation import Terms

_FILTERS_KEPT = 16
_SHORTEST = 1e-6


class Searcher:
    """Searches over the generation in use. May be used from many threads.

    Args:
        generation: the model and indexes in use, asked for at every search.
    """

    def __init__(self, store: Store, generation: Callable[[], Generation], encoding: Encoding) -> None:
        self._store = store
        self._generation = generation
        self._encoding = encoding
        self._filters = _Filters(store)

    def by_texts(self, queries: Sequence[str], terms: Terms) -> list[list[SearchResult]]:
        """The results of each of n cleaned queries: encoded together, one pass over the index."""
        generation = self._generation()
        return self.similar(generation, generation.model.encode_texts(queries), terms) if queries else []

    def by_picture(self, picture: Picture, terms: Terms) -> list[SearchResult]:
        """Items like a picture."""
        generation = self._generation()
        return self.similar(generation, self._encoding.picture(generation.model, picture)[None], terms)[0]

    def by_item(self, item_id: int, terms: Terms) -> list[SearchResult]:
        """Items like an item, which is left out itself. Raises QueryError `not_found`."""
        generation = self._generation()
        embedding = self._store.embedding(item_id, generation.model.model_id)
        return self.similar(generation, embedding[None], terms, exclude=(item_id,))[0]

    def by_both(self, query: str, picture: Picture, weight: float, terms: Terms) -> list[SearchResult]:
        """Items near to `fused` of a cleaned query and a picture."""
        generation = self._generation()
        text = generation.model.encode_texts([query])[0]
        image = self._encoding.picture(generation.model, picture)
        return self.similar(generation, fused(text, image, weight)[None], terms)[0]

    def captions(self, picture: Picture, top_k: int) -> list[CaptionResult]:
        """The texts of the collection that fit a picture."""
        generation = self._generation()
        return self._captions(generation, self._encoding.picture(generation.model, picture), top_k)

    def captions_of_item(self, item_id: int, top_k: int, *, exclude_own: bool) -> list[CaptionResult]:
        """The texts of the collection that fit an item's picture. Raises QueryError `not_found`."""
        generation = self._generation()
        model = generation.model
        if reads_titles(model):  # its embedding says the title, not only the picture
            pixels = self._encoding.stored_pixels(model, self._store.rendition(item_id))
            embedding = model.encode_pixels(pixels[None])[0]
        else:
            embedding = self._store.embedding(item_id, model.model_id)
        own = self._store.text_ids(item_id) if exclude_own else []
        return self._captions(generation, embedding, top_k, exclude=own)

    def _captions(
        self, generation: Generation, embedding: Embedding, top_k: int, *, exclude: Sequence[int] = ()
    ) -> list[CaptionResult]:
        [hits] = generation.texts.search(embedding[None], top_k, exclude=exclude)
        items_with_text = self._store.items_with_text([text_id for text_id, _ in hits])
        items = {item.item_id: item for item in self._store.items([item_id for _, item_id in items_with_text.values()])}
        found = [(*items_with_text[text_id], score) for text_id, score in hits if text_id in items_with_text]
        there = [(items[item_id], text, score) for text, item_id, score in found if item_id in items]
        return [CaptionResult(item, text, score, rank) for rank, (item, text, score) in enumerate(there, start=1)]

    def similar(
        self, generation: Generation, embeddings: Embedding, terms: Terms, *, exclude: Sequence[int] = ()
    ) -> list[list[SearchResult]]:
        """The results of each of (q, embed_dim) query embeddings, best first."""
        allowed = self._filters.allowed(terms.where) if terms.where else None
        answers = generation.index.search(embeddings, terms.top_k, exclude=exclude, allowed=allowed)
        if terms.min_score is not None:
            answers = [[hit for hit in hits if hit[1] >= terms.min_score] for hits in answers]
        wanted = dict.fromkeys(item_id for hits in answers for item_id, _ in hits)
        items = {item.item_id: item for item in self._store.items(list(wanted))}
        # An item removed a moment ago is left out.
        there = [[(items[item_id], score) for item_id, score in hits if item_id in items] for hits in answers]
        return [[SearchResult(item, score, rank) for rank, (item, score) in enumerate(hits, start=1)] for hits in there]


class _Filters:
    """Ids that match a filter, kept until the collection changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: OrderedDict[tuple[int, Conditions], npt.NDArray[np.int64]] = OrderedDict()

    def allowed(self, where: Conditions) -> npt.NDArray[np.int64]:
        """Ascending ids. Shape: (n,) int64."""
        # Asked before the ids: what is committed in between is found under the next version.
        key = (self._store.version(), where)
        ids = self._kept.get(key)
        if ids is None:
            ids = self._kept[key] = self._store.matching(where)
            while len(self._kept) > _FILTERS_KEPT:
                try:
                    self._kept.popitem(last=False)
                except KeyError:  # another thread was faster
                    break
        return ids


def fused(text: Embedding, image: Embedding, weight: float) -> Embedding:
    """A text and a picture as one query: (1 - weight) * text + weight * image, brought back to length 1.

    Directions of one space add up to what they say together (Kiros et al. 2014, Unifying Visual-Semantic Embeddings; the average of both
    is the "Image + Text" baseline of Saito et al. 2023, Pic2Word). The score of a result is its cosine with this query.

    Shape:
        text, image: (embed_dim,) float32 of length 1. Answer likewise.

    Args:
        weight: share of the picture, in [0, 1].

    Raises:
        QueryError: `bad_request`, the two point in opposite directions and cancel out.
    """
    mixed = (1.0 - weight) * text.astype(np.float64) + weight * image.astype(np.float64)
    length = float(np.linalg.norm(mixed))
    if not length > _SHORTEST:
        raise QueryError(
            "bad_request", f"The text and the picture cancel out at the weight {weight:g}.", remedy="Change the weight."
        )
    query: Embedding = (mixed / length).astype(np.float32)
    return query
