"""The application itself: find, keep, forget. Values are handed in; it knows neither settings nor any door."""

import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from crossmodal.images.decoder import Decoder
from crossmodal.images.fetch import Fetcher
from crossmodal.ingest.plan import LookAgain
from crossmodal.ingest.report import IngestReport
from crossmodal.ingest.sources.files import read_file
from crossmodal.items import AddOutcome, CaptionResult, Embedding, Item, Picture, SearchResult
from crossmodal.progress import OnProgress, ignore_progress
from crossmodal.store import Filter, Store
from crossmodal.store.filters import checked
from datasets import SimpleIndexDataset
from engine.edit import ItemEditor
from engine.encoding import Encoding
from engine.ingest import Filler
from engine.models.generations import Generation, Generations
from engine.models.trained import TrainedModel
from engine.query import Image, Query, SearchAnswer, ValidQuery, all_validated
from engine.search import Searcher
from engine.validation import Limits, texts_of, top_k_of

__all__ = ["Generation", "Limits", "LostFoundApp", "Query", "SearchAnswer"]


class LostFoundApp:
    """Search and upkeep of one collection. May be used from many threads; several processes may open the same collection.

    `search` answers a `Query`; `search_by_text` and its like build one of their arguments, whose meaning and bounds are the query's.

    Args:
        model: the trained model in use.
        catalog: the durable store.
        fetcher: asks web addresses.
        decoder: turns bytes into safe pictures.
        index_path: where the index keeps its cache.
        index_kind: name of a kind of index in `crossmodal.indexes.kinds`.
        model_path: where the model lies; looked at again when another process switches models.
        limits: bounds of questions and additions.
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

    # Find

    def search(self, query: Query) -> SearchAnswer:
        """The items nearest to what the query says, best first. Every other search is this one.

        Raises:
            QueryError: `text_empty`, `text_too_long`, `not_found`, `bad_request`.
            AddressError, FetchError, PictureError: there is no picture.
        """
        return self.search_many([query])[0]

    def search_many(self, queries: Sequence[Query]) -> list[SearchAnswer]:
        """Many queries at once: their texts are encoded together. The answers are in their order, none for none.

        Raises:
            QueryError: as `search`, for the first query that is wrong; `bad_request` for more than `limits.max_queries`.
        """
        return self._searcher.search([self._with_picture(query) for query in all_validated(queries, self.limits)])

    def search_by_text(
        self, query: str, top_k: int = 5, *, where: Filter | None = None, min_score: float | None = None
    ) -> list[SearchResult]:
        """Items that fit a description. Raises QueryError `text_empty`, `text_too_long`, `bad_request`."""
        return self.search(Query(query, top_k=top_k, where=where, min_score=min_score)).results

    def search_by_texts(
        self, queries: Sequence[str], top_k: int = 5, *, where: Filter | None = None, min_score: float | None = None
    ) -> list[list[SearchResult]]:
        """Items that fit each of many descriptions. Raises QueryError as `search_many`."""
        several = [Query(text, top_k=top_k, where=where, min_score=min_score) for text in texts_of(queries)]
        return [answer.results for answer in self.search_many(several)]

    def search_by_image(
        self, image: Image, top_k: int = 5, *, where: Filter | None = None, min_score: float | None = None
    ) -> list[SearchResult]:
        """Items like a picture: its bytes, a file (`Path`), a web address (`str`), or what `look_at` returned. Raises as `search`.

        An item with this very picture is found, first.
        """
        return self.search(Query(None, image, top_k=top_k, where=where, min_score=min_score, include_self=True)).results

    search_by_picture = search_by_image

    def search_by_item(
        self, item_id: int, top_k: int = 5, *, where: Filter | None = None, min_score: float | None = None
    ) -> list[SearchResult]:
        """Items like an item, which is left out. Raises QueryError `not_found`, `bad_request`."""
        return self.search(Query(item_id=item_id, top_k=top_k, where=where, min_score=min_score)).results

    def search_by_both(
        self,
        query: str,
        image: Image,
        top_k: int = 5,
        *,
        weight: float = 0.5,
        where: Filter | None = None,
        min_score: float | None = None,
    ) -> list[SearchResult]:
        """Items that fit a description and a picture together; `weight` in [0, 1] is the picture's share. Raises as `search`.

        An item with this very picture may be found.
        """
        both = Query(query, image, weight=weight, top_k=top_k, where=where, min_score=min_score, include_self=True)
        return self.search(both).results

    search_by_query_and_picture = search_by_both

    def captions_for_image(self, image: Image, top_k: int = 10) -> list[CaptionResult]:
        """Texts of the collection that fit a picture, best first; a text that several items carry comes once.

        Raises:
            QueryError: `bad_request`. AddressError, FetchError, PictureError: there is no picture.
        """
        wanted = top_k_of(self.limits, top_k)
        return self._searcher.captions(self._picture_of(image), wanted)

    captions_for_picture = captions_for_image

    def captions_for_item(self, item_id: int, top_k: int = 10, *, exclude_own: bool = False) -> list[CaptionResult]:
        """The same for an item's picture; `exclude_own` leaves out what the item itself says.

        Raises:
            QueryError: `not_found`, `bad_request`.
        """
        return self._searcher.captions_of_item(item_id, top_k_of(self.limits, top_k), exclude_own=exclude_own)

    def look_at(self, image: bytes | Path | str) -> Picture:
        """Fetch and decode, nothing else: for a preview, or before `search_by_image` and `add_picture`."""
        return self.decoder.decode(self._bytes_of(image), square_px=self.generations.latest.model.spec.image_size_px)

    # Keep

    def add_new_item(
        self,
        image: bytes | Path | str,
        title: str | None = None,
        *,
        origin: str = "",
        captions: Sequence[str] = (),
        attributes: Mapping[str, str] | None = None,
    ) -> AddOutcome:
        """Add a picture; it is on the disk and searchable when this returns.

        Raises:
            AddressError, FetchError, PictureError: there is no picture. QueryError: `bad_request`, words that are no words. StoreError: it
            could not be written; nothing changed.
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
        """Add a picture that `look_at` already decoded."""
        return self._editor.add(picture, title, origin=origin, captions=captions, attributes=attributes)

    def update_item(self, item_id: int, *, title: str | None = None, attributes: Mapping[str, str] | None = None) -> Item:
        """Replace an item's title or attributes, or both; None leaves them. On the disk when this returns.

        Raises:
            QueryError: `not_found`; `bad_request`, words that are no words.
        """
        return self._editor.update(item_id, title=title, attributes=attributes)

    def remove_item(self, item_id: int) -> Item:
        """Take an item out of the collection; `restore_item` undoes it until the program starts again.

        Raises:
            QueryError: `not_found`.
        """
        return self._editor.remove(item_id)

    def restore_item(self, item_id: int) -> Item:
        """Undo `remove_item`; an item that is there already stays as it is.

        Raises:
            QueryError: `not_found`. StoreError, PictureError: its stored picture cannot be read, and it stays removed.
        """
        return self._editor.restore(item_id)

    # Look

    def item(self, item_id: int) -> Item:
        """One item. Raises QueryError `not_found`."""
        return self.store.items.get(item_id)

    def thumbnail(self, item_id: int) -> bytes:
        """The small JPEG of an item. Raises QueryError `not_found`."""
        return self.store.pictures.thumbnail(item_id)

    def rendition(self, item_id: int) -> bytes:
        """The large JPEG of an item. Raises QueryError `not_found`."""
        return self.store.pictures.rendition(item_id)

    def count(self, *, where: Filter | None = None) -> int:
        """How many items a search can find, in all or past a filter. Raises QueryError `bad_request` for an impossible filter."""
        if where:
            return len(self.store.items.matching(checked(where)))
        return len(self.generation().index)

    # The index, by its documented names

    def generation(self) -> Generation:
        """The model and index in use, caught up with every thread and process."""
        return self.generations.current()

    def switch_to(self, model: TrainedModel, *, unreadable: Collection[int] = ()) -> bool:
        """Put another model into use, if every item has its embedding; see `Generations.switch_to`."""
        return self.generations.switch_to(model, unreadable=unreadable)

    def close(self) -> None:
        """Save the index's cache if that can be done, end the decoding processes, close the store. Twice is fine."""
        with self.store, closing(self.decoder):
            self._save_index_to_disk()

    def _find_similar(
        self, generation: Generation, embedding: Embedding, top_k: int, *, exclude: Sequence[int] = ()
    ) -> list[SearchResult]:
        wanted = ValidQuery(top_k=top_k_of(self.limits, top_k))
        return self._searcher.nearest(generation, embedding[None], [wanted], exclude=exclude)[0].results

    def _load_index_from_disk(self, model: TrainedModel) -> Generation:
        return self.generations.load(model)

    def _save_index_to_disk(self) -> None:
        self.generations.save()

    def index_dataset(
        self,
        dataset: SimpleIndexDataset,
        *,
        look_again: LookAgain = "files",
        on_progress: OnProgress = ignore_progress,
        stop: threading.Event | None = None,
    ) -> IngestReport:
        """Bring a catalogue into the collection: every row ends indexed, or listed with its reason.

        Raises:
            SourceError, StoreError, BusyError, Stopped: see `crossmodal.ingest.pipeline.ingest`.
        """
        return self._filler.fill(dataset, look_again, on_progress, stop)

    _build_index_from_dataset = index_dataset

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
