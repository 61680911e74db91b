"""The application itself: find, keep, forget. Values are handed in; it knows neither settings nor any door."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app_info import ADDED, AddOutcome
from crossmodal.catalog import Catalog
from crossmodal.errors import CheckpointError, QueryError, StoreError
from crossmodal.images.decoder import Decoder
from crossmodal.images.fetch import Fetcher
from crossmodal.indexes.synced import SyncedIndex
from crossmodal.ingest.contained_file import read_contained
from crossmodal.ingest.pipeline import ingest
from crossmodal.ingest.planning import LookAgain
from crossmodal.ingest.report import IngestReport
from crossmodal.items import Embedding, Item, NewItem, Picture, SearchResult
from crossmodal.progress import OnProgress, ignore_progress
from crossmodal.text.cleaning import clean_query, display_text
from datasets import SimpleIndexDataset
from trained_model import TrainedModel, load_model

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a question and of an addition."""

    max_query_chars: int
    max_top_k: int
    max_image_bytes: int
    max_title_chars: int = 500


@dataclass(frozen=True, slots=True)
class Generation:
    """A model and the index of its embeddings: always replaced together, so that nothing ever mixes."""

    model: TrainedModel
    index: SyncedIndex


class LostFoundApp:
    """Search and upkeep of one collection. May be used from many threads; several processes may open the same collection.

    Args:
        model: the trained model in use.
        catalog: the durable store.
        fetcher: asks web addresses.
        decoder: turns bytes into safe pictures.
        index_path: where the index keeps its cache.
        model_path: where the model lies; looked at again when another process switches models.
        limits: bounds of questions and additions.
    """

    def __init__(
        self,
        model: TrainedModel,
        catalog: Catalog,
        *,
        fetcher: Fetcher,
        decoder: Decoder,
        index_path: Path,
        model_path: Path,
        limits: Limits,
    ) -> None:
        self.catalog = catalog
        self.fetcher = fetcher
        self.decoder = decoder
        self.index_path = index_path
        self.model_path = model_path
        self.limits = limits
        self._switching = threading.Lock()
        self._seen_version = -1
        self._generation = self._load_index_from_disk(model)

    # Find

    def search_by_text(self, query: str, top_k: int = 5) -> list[SearchResult]:
        """Pictures that fit a description, best first.

        Raises:
            QueryError: `text_empty`, `text_too_long`, or `bad_request` for an impossible `top_k`.
        """
        cleaned = clean_query(query, max_chars=self.limits.max_query_chars)
        generation = self.generation()
        return self._find_similar(generation, generation.model.encode_texts([cleaned])[0], top_k)

    def search_by_image(self, image: bytes | Path | str, top_k: int = 5) -> list[SearchResult]:
        """Pictures like this one, best first: its bytes, a file (`Path`) or a web address (`str`).

        Raises:
            QueryError: an impossible `top_k`. AddressError, FetchError, PictureError: there is no picture.
        """
        self._check_top_k(top_k)
        return self.search_by_picture(self.look_at(image), top_k)

    def search_by_picture(self, picture: Picture, top_k: int = 5) -> list[SearchResult]:
        """Pictures like one that `look_at` already decoded."""
        generation = self.generation()
        return self._find_similar(generation, generation.model.encode_pixels(picture.pixels[None])[0], top_k)

    def search_by_item(self, item_id: int, top_k: int = 5) -> list[SearchResult]:
        """More like this: the item itself is left out.

        Raises:
            QueryError: `not_found`, or an impossible `top_k`.
        """
        generation = self.generation()
        embedding = self.catalog.embedding(item_id, generation.model.model_id)
        return self._find_similar(generation, embedding, top_k, exclude=(item_id,))

    def look_at(self, image: bytes | Path | str) -> Picture:
        """Fetch and decode, nothing else: for a preview, or before `search_by_picture` and `add_picture`."""
        return self.decoder.decode(self._bytes_of(image), square_px=self._generation.model.spec.image_size_px)

    # Keep

    def add_new_item(self, image: bytes | Path | str, title: str | None = None, *, source: str = "") -> AddOutcome:
        """Add a picture; it is on the disk and searchable when this returns.

        Raises:
            AddressError, FetchError, PictureError: there is no picture. StoreError: it could not be written; nothing changed.
        """
        return self.add_picture(self.look_at(image), title, source=source or (image if isinstance(image, str) else ""))

    def add_picture(self, picture: Picture, title: str | None = None, *, source: str = "") -> AddOutcome:
        """Add a picture that `look_at` already decoded."""
        key = f"{ADDED}:{picture.content_hash}"
        known = self.catalog.known([key]).get(key)
        if known is not None and not known.removed:
            return AddOutcome(known.item, created=False)
        generation = self.generation()
        entry = NewItem(
            key=key,
            title=display_text(title or "", max_chars=self.limits.max_title_chars),
            picture=picture,
            embedding=generation.model.encode_pixels(picture.pixels[None])[0],
            catalogue=ADDED,
            source=display_text(source, max_chars=self.limits.max_title_chars),
        )
        item, created = self.catalog.add(entry, model_id=generation.model.model_id)
        return AddOutcome(item, created=created or known is not None)

    def remove_item(self, item_id: int) -> Item:
        """Take an item out of the collection; `restore_item` undoes it until the program starts again.

        Raises:
            QueryError: `not_found`.
        """
        item = self.catalog.item(item_id)
        self.catalog.remove([item_id])
        return item

    def restore_item(self, item_id: int) -> Item:
        """Undo `remove_item`.

        Raises:
            QueryError: `not_found`, nothing removed has this id.
        """
        self.catalog.restore([item_id])
        return self.catalog.item(item_id)

    # Look

    def item(self, item_id: int) -> Item:
        """One item. Raises QueryError `not_found`."""
        return self.catalog.item(item_id)

    def thumbnail(self, item_id: int) -> bytes:
        """The small JPEG of an item. Raises QueryError `not_found`."""
        return self.catalog.thumbnail(item_id)

    def rendition(self, item_id: int) -> bytes:
        """The large JPEG of an item. Raises QueryError `not_found`."""
        return self.catalog.rendition(item_id)

    def count(self) -> int:
        """How many items a search can find."""
        return len(self.generation().index)

    # The index, by its documented names

    def generation(self) -> Generation:
        """The model and index in use, caught up with every thread and process."""
        version = self.catalog.version()
        if version != self._seen_version:
            self._follow_switch()
            self._seen_version = version
        self._generation.index.refresh()
        return self._generation

    def switch_to(self, model: TrainedModel) -> None:
        """Put another model into use, whose embeddings are all in the store. Searches under way end with the former one."""
        with self._switching:
            self._generation = self._load_index_from_disk(model)
            self.catalog.set_meta("active_model", model.model_id)
        self._save_index_to_disk()

    def close(self) -> None:
        """Save the index's cache, end the decoding processes, close the store."""
        self._save_index_to_disk()
        self.decoder.close()
        self.catalog.close()

    def _find_similar(
        self, generation: Generation, embedding: Embedding, top_k: int, *, exclude: Sequence[int] = ()
    ) -> list[SearchResult]:
        self._check_top_k(top_k)
        [found] = generation.index.search(embedding[np.newaxis], top_k, exclude=exclude)
        scores = dict(found)
        items = self.catalog.items([item_id for item_id, _ in found])  # one removed a moment ago is left out
        return [SearchResult(item, scores[item.item_id], rank) for rank, item in enumerate(items, start=1)]

    def _load_index_from_disk(self, model: TrainedModel) -> Generation:
        """The index of a model. Embeddings that fail their checksum are dropped, to be made again from the stored pictures."""
        try:
            index = SyncedIndex(self.catalog, model.model_id, embed_dim=model.spec.embed_dim, path=self.index_path)
        except StoreError as error:
            dropped = self.catalog.drop_damaged(model.model_id)
            if not dropped:
                raise
            log.warning("%s %d damaged embeddings were dropped and will be made again", error, len(dropped))
            index = SyncedIndex(self.catalog, model.model_id, embed_dim=model.spec.embed_dim, path=self.index_path)
        return Generation(model, index)

    def _save_index_to_disk(self) -> None:
        self._generation.index.save()

    def _build_index_from_dataset(
        self,
        dataset: SimpleIndexDataset,
        *,
        look_again: LookAgain = "files",
        on_progress: OnProgress = ignore_progress,
        stop: threading.Event | None = None,
    ) -> IngestReport:
        """Bring a catalogue into the collection: every row ends indexed, or listed with its reason."""
        model = self._generation.model
        report = ingest(
            dataset.catalogue,
            load=dataset.load,
            decoder=self.decoder,
            encode=model.encode_pixels,
            catalog=self.catalog,
            model_id=model.model_id,
            square_px=model.spec.image_size_px,
            look_again=look_again,
            on_progress=on_progress,
            stop=stop,
        )
        self._generation.index.refresh()
        self._save_index_to_disk()
        return report

    def _follow_switch(self) -> None:
        """Another process may have trained and switched: then its model file is the one to use here too."""
        active = self.catalog.get_meta("active_model")
        if active in (None, self._generation.model.model_id):
            return
        with self._switching:
            if active != self._generation.model.model_id:
                try:
                    model = load_model(self.model_path)
                except CheckpointError as error:
                    log.warning("another process switched models, but %s The present model stays in use.", error)
                    return
                if model.model_id == active:  # otherwise somebody is changing it at this moment
                    self._generation = self._load_index_from_disk(model)

    def _bytes_of(self, image: bytes | Path | str) -> bytes:
        if isinstance(image, str):
            return self.fetcher.fetch(image)
        if isinstance(image, Path):
            return read_contained(image.parent, image.name, max_bytes=self.limits.max_image_bytes)
        return image

    def _check_top_k(self, top_k: int) -> None:
        if isinstance(top_k, bool) or not isinstance(top_k, int) or not 1 <= top_k <= self.limits.max_top_k:
            raise QueryError(
                "bad_request",
                f"The number of results must be a whole number from 1 to {self.limits.max_top_k}, not {top_k!r:.40}.",
                remedy="Ask for 5, for instance.",
            )
