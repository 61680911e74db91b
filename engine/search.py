"""Run queries: the items nearest to a text, a picture or both, and the texts nearest to a picture."""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from crossmodal.errors import BusyError, QueryError
from crossmodal.filters import Filter
from crossmodal.items import CaptionResult, Embedding, Item, Picture, SearchResult, WordHit
from crossmodal.ranking.fusion import Found, by_words, joined, nearest_of
from crossmodal.store import Store
from engine.encoding import Encoding, reads_titles
from engine.models.generations import Generation
from engine.models.trained import TrainedModel
from engine.query import SearchAnswer, ValidQuery

_FILTERS_KEPT = 16
# Items that a joined ranking takes by their words. Where more have all of them, likeness decides among these.
_MOST_BY_WORDS = 300
_SHORTEST = 1e-6


class Searcher:
    """Searches the active generation. Thread-safe.

    Args:
        generation: returns the active generation; called for every search.
    """

    def __init__(self, store: Store, generation: Callable[[], Generation], encoding: Encoding) -> None:
        self._store = store
        self._generation = generation
        self._encoding = encoding
        self._filters = _Filters(store)

    def search(self, queries: Sequence[ValidQuery]) -> list[SearchAnswer]:
        """Answer each query. All texts are encoded together, and queries with the same filter share a pass over the index.

        Args:
            queries: validated queries with decoded pictures.

        Raises:
            QueryError: `not_found`: there is no item with that id; `bad_request`: a text and a picture cancel out.
        """
        if not queries:
            return []
        generation = self._generation()
        embeddings = self._embeddings(generation.model, queries)
        answers: dict[int, SearchAnswer] = {}
        places_of = defaultdict[tuple[Filter, int], list[int]](list)
        for place, query in enumerate(queries):
            # Grouped by depth as well, so that many short answers do not wait for the items of a long one.
            places_of[query.chosen, query.depth].append(place)
        for places in places_of.values():
            found = self.nearest(generation, embeddings[places], [queries[place] for place in places])
            answers.update(zip(places, found, strict=True))
        return [answers[place] for place in range(len(queries))]

    def nearest(
        self, generation: Generation, embeddings: Embedding, queries: Sequence[ValidQuery], *, exclude: Collection[int] = ()
    ) -> list[SearchAnswer]:
        """Answer queries that share a filter.

        Shape:
            embeddings: (q, embed_dim) float32, unit length, one per query.

        Args:
            exclude: ids to leave out.
        """
        chosen = queries[0].chosen
        allowed = self._filters.allowed(chosen) if chosen else None
        own = [self._own_picture(query) for query in queries]
        words = [self._words(generation, embedding, query, allowed) for query, embedding in zip(queries, embeddings, strict=True)]
        close = nearest_of(len(generation.index) if allowed is None else len(allowed))
        answers = [SearchAnswer([]) for _ in queries]
        items: dict[int, Item] = {}
        places = list(range(len(queries)))
        depth = max(query.depth + bool(hidden) for query, hidden in zip(queries, own, strict=True))
        while places:
            searched = max(depth, close) if any(words) else depth
            found = generation.index.search(embeddings[places], searched, exclude=exclude, allowed=allowed)
            rankings = dict[int, list[Found]]()
            short = []
            for place, hits in zip(places, found, strict=True):
                query, named = queries[place], words[place]
                has_rest = len(hits) == searched
                if query.signal == "words" and query.text is not None:
                    named = self._store.words.search(query.text, depth, allowed=allowed)
                cosines = dict(hits)
                further = [hit.item_id for hit in named if hit.item_id not in cosines]
                if further and has_rest:
                    cosines |= generation.index.search(embeddings[place : place + 1], len(further), allowed=further)[0]
                if query.signal == "words" and query.text is not None:
                    ranking, has_rest = by_words(named, cosines), len(named) == depth
                else:
                    share = query.weight if query.shows else None
                    ranking = joined(hits, named, cosines, nearest=close, has_rest=has_rest, picture_share=share)
                    has_rest = has_rest and _counts(hits[-1][1], query)
                ranking = [each for each in ranking if _counts(each.cosine, query)]
                rankings[place] = ranking[:depth]
                if has_rest or len(ranking) > depth:
                    short.append(place)
            unknown = dict.fromkeys(each.item_id for ranking in rankings.values() for each in ranking if each.item_id not in items)
            items.update((item.item_id, item) for item in self._store.items.get_many(list(unknown)))
            for place, ranking in rankings.items():
                answers[place] = _answer(ranking, items, queries[place], own[place])
            # Excluded pictures took ranks, and there are more items further down.
            places, depth = [place for place in short if len(answers[place].results) < queries[place].top_k], 4 * depth
        return answers

    def _words(
        self, generation: Generation, embedding: Embedding, query: ValidQuery, allowed: npt.NDArray[np.int64] | None
    ) -> list[WordHit]:
        """Items that a joined ranking takes by their words; none where only likeness, or only the picture, counts."""
        if query.text is None or query.signal != "joined" or (query.shows and query.weight == 1.0):
            return []
        hits = self._store.words.search(query.text, _MOST_BY_WORDS, allowed=allowed)
        if len(hits) < _MOST_BY_WORDS or not hits[-1].has_all:
            return hits
        # Too many have all words for BM25 to tell them apart: those nearest by likeness, as many as an answer can reach.
        ids = self._store.words.having_all(query.text, allowed=allowed)
        nearest = generation.index.search(embedding[None], max(query.depth, _MOST_BY_WORDS), allowed=ids)[0]
        titles = [hit for hit in hits if hit.is_title]
        return titles + [
            WordHit(item_id, 0.0, has_all=True) for item_id, _ in nearest if item_id not in {t.item_id for t in titles}
        ]

    def _own_picture(self, query: ValidQuery) -> str:
        """The content hash to exclude from a query's results; empty for none."""
        if query.include_self:
            return ""
        if isinstance(query.image, Picture):
            return query.image.content_hash
        return "" if query.item_id is None else self._store.items.get(query.item_id).content_hash

    def _embeddings(self, model: TrainedModel, queries: Sequence[ValidQuery]) -> Embedding:
        """Embedding of each query. Shape: (q, embed_dim) float32, unit length."""
        texts = [query.text for query in queries if query.text is not None]
        encoded: Iterator[Embedding] = iter(model.encode_texts(texts)) if texts else iter([])
        rows = []
        for query in queries:
            text = None if query.text is None else next(encoded)
            parts = [part for part in (text, self._image_embedding(model, query)) if part is not None]
            rows.append(fused(parts[0], parts[1], query.weight) if len(parts) == 2 else parts[0])
        return np.stack(rows)

    def _image_embedding(self, model: TrainedModel, query: ValidQuery) -> Embedding | None:
        if isinstance(query.image, Picture):
            return self._encoding.picture(model, query.image)
        if query.item_id is None:
            return None
        if query.text is not None:
            return self._shown_by(model, query.item_id)
        return self._store.embeddings.get(query.item_id, model.model_id)

    def _shown_by(self, model: TrainedModel, item_id: int) -> Embedding:
        """Embedding of an item's picture, without its title. Raises QueryError `not_found`."""
        if not reads_titles(model):
            return self._store.embeddings.get(item_id, model.model_id)
        pixels = self._encoding.stored_pixels(model, self._store.pictures.rendition(item_id))
        embedding: Embedding = model.encode_pixels(pixels[None])[0]
        return embedding

    def captions(self, picture: Picture, top_k: int) -> list[CaptionResult]:
        """The texts of the collection that fit a picture."""
        generation = self._generation()
        return self._captions(generation, self._encoding.picture(generation.model, picture), top_k)

    def captions_of_item(self, item_id: int, top_k: int, *, exclude_own: bool) -> list[CaptionResult]:
        """The texts of the collection that fit an item's picture. Raises QueryError `not_found`."""
        generation = self._generation()
        embedding = self._shown_by(generation.model, item_id)
        own = self._store.texts.ids_of_item(item_id) if exclude_own else []
        return self._captions(generation, embedding, top_k, exclude=own)

    def _captions(
        self, generation: Generation, embedding: Embedding, top_k: int, *, exclude: Sequence[int] = ()
    ) -> list[CaptionResult]:
        [hits] = generation.texts.search(embedding[None], top_k, exclude=exclude)
        items_with_text = self._store.texts.items_with_text([text_id for text_id, _ in hits])
        items = {item.item_id: item for item in self._store.items.get_many([item_id for _, item_id in items_with_text.values()])}
        found = [(*items_with_text[text_id], score) for text_id, score in hits if text_id in items_with_text]
        there = [(items[item_id], text, score) for text, item_id, score in found if item_id in items]
        return [CaptionResult(item, text, score, rank) for rank, (item, text, score) in enumerate(there, start=1)]


def without_model(store: Store, query: ValidQuery) -> SearchAnswer:
    """Answer a query while there is no model yet: by the words of its text alone. Results have the score 0.

    Raises:
        BusyError: `busy`: it has no text.
    """
    if query.text is None:
        raise BusyError(
            "busy", "Pictures can be compared once there is a model.", remedy="Try again in a moment, or search by words."
        )
    allowed = store.items.matching(query.chosen) if query.chosen else None
    depth = query.depth
    while True:
        hits = store.words.search(query.text, depth, allowed=allowed)
        ranking = [each for each in by_words(hits, {}) if _counts(each.cosine, query)]
        items = {item.item_id: item for item in store.items.get_many([each.item_id for each in ranking])}
        answer = _answer(ranking, items, query, "")
        if len(answer.results) == query.top_k or len(hits) < depth:
            return answer
        depth *= 4


def _answer(ranking: Sequence[Found], items: Mapping[int, Item], query: ValidQuery, own: str) -> SearchAnswer:
    """Select a query's results from its ranking.

    Args:
        items: items by id; an item removed in the meantime is missing.
        own: content hash of the query picture.
    """
    answer, seen, rank = SearchAnswer([]), set[str](), 0
    for found in ranking:
        if len(answer.results) == query.top_k:
            break
        item = items.get(found.item_id)
        if item is None or (query.collapse_duplicates and item.content_hash in seen):
            continue
        if item.content_hash == own:
            answer.hidden.append(item)
            continue
        seen.add(item.content_hash)
        rank += 1
        if rank > query.offset:
            answer.results.append(SearchResult(item, found.cosine or 0.0, rank, found.found_by))
    return answer


def _counts(score: float | None, query: ValidQuery) -> bool:
    return query.min_score is None or (score is not None and score >= query.min_score)


class _Filters:
    """Caches the ids that match a filter until the collection changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: OrderedDict[tuple[int, Filter], npt.NDArray[np.int64]] = OrderedDict()

    def allowed(self, chosen: Filter) -> npt.NDArray[np.int64]:
        """Ascending ids. Shape: (n,) int64."""
        # Read before the ids: a commit in between is then detected with the next version.
        key = (self._store.version(), chosen)
        ids = self._kept.get(key)
        if ids is None:
            ids = self._kept[key] = self._store.items.matching(chosen)
            while len(self._kept) > _FILTERS_KEPT:
                try:
                    self._kept.popitem(last=False)
                except KeyError:  # another thread was faster
                    break
        return ids


def fused(text: Embedding, image: Embedding, weight: float) -> Embedding:
    """Combine a text and a picture: (1 - weight) * text + weight * image, normalised.

    Directions in a joint space can be added (Kiros et al. 2014, Unifying Visual-Semantic Embeddings; the average is the "Image + Text"
    baseline of Saito et al. 2023, Pic2Word). The score of a result is its cosine with this query.

    Shape:
        text, image, returns: (embed_dim,) float32, unit length.

    Args:
        weight: share of the picture, in [0, 1].

    Raises:
        QueryError: `bad_request`: the two point in opposite directions and cancel out.
    """
    mixed = (1.0 - weight) * text.astype(np.float64) + weight * image.astype(np.float64)
    length = float(np.linalg.norm(mixed))
    if not length > _SHORTEST:
        raise QueryError("bad_request", f"The text and the picture cancel out at weight {weight:g}.", remedy="Change the weight.")
    query: Embedding = (mixed / length).astype(np.float32)
    return query
