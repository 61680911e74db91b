"""One collection, open: search, add, edit, remove. Values are passed in; it knows neither settings nor front ends."""

import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from crossmodal.filters import Filter, Where
from crossmodal.images.decoder import Decoder
from crossmodal.images.fetch import Fetcher
from crossmodal.ingest.plan import LookAgain
from crossmodal.ingest.report import IngestReport
from crossmodal.ingest.sources.files import read_file
from crossmodal.items import AddOutcome, CaptionResult, Embedding, Item, ItemSource, Picture, SearchResult
from crossmodal.progress import OnProgress, ignore_progress
from crossmodal.store import Store
from datasets import SimpleIndexDataset
from engine.edit import ItemEditor
from engine.encoding import Encoding
from engine.ingest import Filler
from engine.models.generations import Generation, Generations
from engine.models.trained import TrainedModel
from engine.query import Image, Query, SearchAnswer, ValidQuery, all_validated
from engine.search import Searcher
from engine.validation import Limits, texts_of, top_k_of


class SearchEngine:
    """Search and maintain one collection. Thread-safe; several processes may open the same collection.

    `search` answers a `Query`; `search_by_text` and its like build one of their arguments, whose meaning and bounds are the query's.

    Args:
        model: the active model.
        store: the durable store.
        fetcher: fetches URLs.
        decoder: decodes untrusted bytes to pictures.
        index_path: cache file of the index.
        index_kind: name of a kind of index in `crossmodal.indexes.kinds`.
        model_path: the model file; read again when another process switches models.
        limits: bounds of queries and additions.
    """

    def __init__(
        self,
        model: TrainedModel,
        store: Store,
        *,
        fetcher: Fetcher,
        decoder: Decoder,
        index_path: Path,
        model_path: Path,
        limits: Limits,
        index_kind: str = "exact",
    ) -> None:
        self.store = store
        self.fetcher = fetcher
        self.decoder = decoder
        self.index_path = index_path
        self.model_path = model_path
        self.limits = limits
        self.generations = Generations(store, model, index_path=index_path, index_kind=index_kind, model_path=model_path)
        self.encoding = Encoding(decoder)
        self._searcher = Searcher(store, self.generations.current, self.encoding)
        self._editor = ItemEditor(store, self.generations, self.encoding, limits)
        self._filler = Filler(store, self.generations, self.encoding, decoder)

    # Search

    def search(self, query: Query) -> SearchAnswer:
        """The items nearest to the query, best first. All other searches use this one.

        Raises:
            QueryError: `text_empty`, `text_too_long`, `not_found`, `bad_request`.
            AddressError, FetchError, PictureError: the picture cannot be fetched or decoded.
        """
        return self.search_many([query])[0]

    def search_many(self, queries: Sequence[Query]) -> list[SearchAnswer]:
        """Answer many queries at once, encoding their texts together. Answers are in the order of the queries.

        Raises:
            QueryError: as `search`, for the first invalid query; `bad_request` for more than `limits.max_queries`.
        """
        return self._searcher.search([self._with_picture(query) for query in all_validated(queries, self.limits)])

    def search_by_text(
        self, query: str, top_k: int = 5, *, where: Where | None = None, min_score: float | None = None
    ) -> list[SearchResult]:
        """Items that fit a description. Raises QueryError `text_empty`, `text_too_long`, `bad_request`."""
        return self.search(Query(query, top_k=top_k, where=where, min_score=min_score)).results

    def search_by_texts(
        self, queries: Sequence[str], top_k: int = 5, *, where: Where | None = None, min_score: float | None = None
    ) -> list[list[SearchResult]]:
        """Items that fit each of several descriptions. Raises QueryError as `search_many`."""
        several = [Query(text, top_k=top_k, where=where, min_score=min_score) for text in texts_of(queries)]
        return [answer.results for answer in self.search_many(several)]

    def search_by_image(
        self, image: Image, top_k: int = 5, *, where: Where | None = None, min_score: float | None = None
    ) -> list[SearchResult]:
        """Items similar to a picture: its bytes, a file (`Path`), a URL (`str`), or the result of `look_at`. Raises as `search`.

        An item with the same picture is included, as the first.
        """
        return self.search(Query(None, image, top_k=top_k, where=where, min_score=min_score, include_self=True)).results

    search_by_picture = search_by_image

    def search_by_item(
        self, item_id: int, top_k: int = 5, *, where: Where | None = None, min_score: float | None = None
    ) -> list[SearchResult]:
        """Items similar to an item, which is excluded. Raises QueryError `not_found`, `bad_request`."""
        return self.search(Query(item_id=item_id, top_k=top_k, where=where, min_score=min_score)).results

    def search_by_both(
        self,
        query: str,
        image: Image,
        top_k: int = 5,
        *,
        weight: float = 0.5,
        where: Where | None = None,
        min_score: float | None = None,
    ) -> list[SearchResult]:
        """Items that fit a description and a picture combined; `weight` in [0, 1] is the picture's share. Raises as `search`.

        An item with the same picture may be included.
        """
        both = Query(query, image, weight=weight, top_k=top_k, where=where, min_score=min_score, include_self=True)
        return self.search(both).results

    search_by_query_and_picture = search_by_both

    def captions_for_image(self, image: Image, top_k: int = 10) -> list[CaptionResult]:
        """Texts of the collection that fit a picture, best first, without duplicates.

        Raises:
            QueryError: `bad_request`. AddressError, FetchError, PictureError: the picture cannot be fetched or decoded.
        """
        wanted = top_k_of(self.limits, top_k)
        return self._searcher.captions(self._picture_of(image), wanted)

    captions_for_picture = captions_for_image

    def captions_for_item(self, item_id: int, top_k: int = 10, *, exclude_own: bool = False) -> list[CaptionResult]:
        """Texts that fit an item's picture; `exclude_own` leaves out the item's own texts.

        Raises:
            QueryError: `not_found`, `bad_request`.
        """
        return self._searcher.captions_of_item(item_id, top_k_of(self.limits, top_k), exclude_own=exclude_own)

    def look_at(self, image: bytes | Path | str) -> Picture:
        """Fetch and decode a picture, for a preview or for `search_by_image` and `add_picture`."""
        spec = self.generations.latest.model.spec
        return self.decoder.decode(self._bytes_of(image), square_px=spec.image_size_px, fit=spec.fit)

    # Edit

    def add_new_item(
        self,
        image: bytes | Path | str,
        title: str | None = None,
        *,
        origin: str = "",
        captions: Sequence[str] = (),
        attributes: Mapping[str, str] | None = None,
    ) -> AddOutcome:
        """Add a picture; it is stored durably and searchable when this returns. If an item shows the same file, the words are joined to
        that item's.

        Raises:
            AddressError, FetchError, PictureError: the picture cannot be fetched or decoded.
            QueryError: `bad_request`: text fields of the wrong type.
            StoreError: writing failed; nothing changed.
        """
        known_as = origin or (image if isinstance(image, str) else "")
        return self.add_picture(self.look_at(image), title, origin=known_as, captions=captions, attributes=attributes)

    def add_picture(
        self,
        picture: Picture,
        title: str | None = None,
        *,
        origin: str = "",
        captions: Sequence[str] = (),
        attributes: Mapping[str, str] | None = None,
    ) -> AddOutcome:
        """Add a picture decoded by `look_at`."""
        return self._editor.add(picture, title, origin=origin, captions=captions, attributes=attributes)

    def update_item(self, item_id: int, *, title: str | None = None, attributes: Mapping[str, str] | None = None) -> Item:
        """Replace an item's title or attributes or both; None keeps them. Durable when this returns.

        Raises:
            QueryError: `not_found`; `bad_request`: text fields of the wrong type.
        """
        return self._editor.update(item_id, title=title, attributes=attributes)

    def remove_item(self, item_id: int) -> Item:
        """Remove an item from the collection; `restore_item` undoes it until the program starts again.

        Raises:
            QueryError: `not_found`.
        """
        return self._editor.remove(item_id)

    def restore_item(self, item_id: int) -> Item:
        """Undo `remove_item`; an item that is not removed stays unchanged.

        Raises:
            QueryError: `not_found`. StoreError, PictureError: its stored picture cannot be read; it stays removed.
        """
        return self._editor.restore(item_id)

    # Read

    def item(self, item_id: int) -> Item:
        """One item. Raises QueryError `not_found`."""
        return self.store.items.get(item_id)

    def item_sources(self, item_id: int) -> list[ItemSource]:
        """The rows of sources that show an item's picture, with the words of each, oldest first. Raises QueryError `not_found`."""
        return self.store.items.sources(item_id)

    def thumbnail(self, item_id: int) -> bytes:
        """The small JPEG of an item. Raises QueryError `not_found`."""
        return self.store.pictures.thumbnail(item_id)

    def rendition(self, item_id: int) -> bytes:
        """The large JPEG of an item. Raises QueryError `not_found`."""
        return self.store.pictures.rendition(item_id)

    def count(self, *, where: Where | None = None) -> int:
        """Number of searchable items, in total or matching a filter. Raises QueryError `bad_request` for an invalid filter."""
        if where:
            return len(self.store.items.matching(Filter.of(where)))
        return len(self.generation().index)

    # The index

    def generation(self) -> Generation:
        """The active generation, up to date with all threads and processes."""
        return self.generations.current()

    def switch_to(self, model: TrainedModel, *, unreadable: Collection[int] = ()) -> bool:
        """Activate another model if every item has its embedding; see `Generations.switch_to`."""
        return self.generations.switch_to(model, unreadable=unreadable)

    def close(self) -> None:
        """Save the index cache if possible, stop the decoding processes, close the store. Idempotent."""
        with self.store, closing(self.decoder):
            self.save_index()

    def find_similar(
        self, generation: Generation, embedding: Embedding, top_k: int, *, exclude: Sequence[int] = ()
    ) -> list[SearchResult]:
        """Items near an embedding, (embed_dim,) float32 of unit length, apart from the ids to exclude. Raises QueryError `bad_request`."""
        wanted = ValidQuery(top_k=top_k_of(self.limits, top_k))
        return self._searcher.nearest(generation, embedding[None], [wanted], exclude=exclude)[0].results

    def load_index(self, model: TrainedModel) -> Generation:
        """A model with its indexes, from their cache files where these are current."""
        return self.generations.load(model)

    def save_index(self) -> None:
        """Write the cache files of the indexes, if possible."""
        self.generations.save()

    def index_dataset(
        self,
        dataset: SimpleIndexDataset,
        *,
        look_again: LookAgain = "files",
        on_progress: OnProgress = ignore_progress,
        stop: threading.Event | None = None,
    ) -> IngestReport:
        """Index a source: each row ends indexed or listed as failed with a reason.

        Raises:
            SourceError, StoreError, BusyError, Stopped: see `crossmodal.ingest.pipeline.ingest`.
        """
        return self._filler.fill(dataset, look_again, on_progress, stop)

    def _with_picture(self, query: ValidQuery) -> ValidQuery:
        return query if query.image is None else replace(query, image=self._picture_of(query.image))

    def _picture_of(self, image: Image) -> Picture:
        return image if isinstance(image, Picture) else self.look_at(image)

    def _bytes_of(self, image: bytes | Path | str) -> bytes:
        if isinstance(image, str):
            return self.fetcher.fetch(image)
        if isinstance(image, Path):
            return read_file(image, max_bytes=self.limits.max_image_bytes)
        return image
