"""The active model and its indexes, replaced together; follows switches by other processes."""

import logging
import threading
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from crossmodal.errors import CheckpointError, StoreError
from crossmodal.indexes.synced import SyncedIndex
from crossmodal.store import Feed, Store
from engine.encoding import reads_titles
from engine.models.loading import load_model
from engine.models.trained import TrainedModel

log = logging.getLogger(__name__)

_TEXT_INDEX = "text_features.pt"


@dataclass(frozen=True, slots=True)
class Generation:
    """A model and the indexes of its embeddings, always replaced together, so that models never mix.

    Attributes:
        index: index of items.
        texts: index of their texts.
    """

    model: TrainedModel
    index: SyncedIndex
    texts: SyncedIndex


class Generations:
    """Holds the active generation. Thread-safe.

    Args:
        model: the active model at the start.
        index_path: cache file of the item index; that of texts is beside it.
        index_kind: name of a kind of index in `crossmodal.indexes.kinds`.
        model_path: the model file; read again when another process switches models.

    Attributes:
        latest: the active generation, without catching up.
        prepared: a model about to be activated: items added meanwhile also get its embeddings.
    """

    def __init__(self, store: Store, model: TrainedModel, *, index_path: Path, model_path: Path, index_kind: str = "exact") -> None:
        self._store = store
        self._index_path = index_path
        self._index_kind = index_kind
        self._model_path = model_path
        self._switching = threading.Lock()
        self._seen_version = -1
        self._active_at_start = store.models.active()
        self.prepared: TrainedModel | None = None
        self._waiting: Generation | None = None
        self.latest = self.load(model)

    def current(self) -> Generation:
        """The active generation, up to date with all threads and processes."""
        version = self._store.version()
        if version != self._seen_version:
            self._follow_switch()
            self._seen_version = version
        generation = self.latest
        generation.index.refresh()
        return generation

    def written(self) -> list[TrainedModel]:
        """The models that embed every new item: the active one first, then the prepared one."""
        current, prepared = self.current().model, self.prepared
        return [current] if prepared is None or prepared.model_id == current.model_id else [current, prepared]

    def switch_to(self, model: TrainedModel, *, unreadable: Collection[int] = ()) -> bool:
        """Activate another model atomically if every item has its embedding; otherwise returns False and changes nothing.

        Running searches finish with the previous model. Other processes follow on their next search.

        Args:
            unreadable: ids of items that may lack an embedding because their stored pictures cannot be read; only their words find them.
        """
        if self._waiting is None or self._waiting.model is not model:
            self._waiting = self.load(model)  # may take seconds; searches continue
        with self._switching:
            if not self._store.models.activate(model.model_id, unreadable=unreadable):
                return False  # the caller retries at once, before much more is added
            self.latest, self._waiting = self._waiting, None
        self.save()
        return True

    def set_initial(self) -> bool:
        """Record the initial model for other processes, once its embeddings are complete.

        Returns False and changes nothing if another process has switched since the start; that model is then followed.
        """
        model = self.latest.model
        self._store.models.set_reads_titles(model.model_id, reads_titles(model))  # needed when it becomes the previous model
        return self._store.models.set_initial(model.model_id, instead_of=self._active_at_start)

    def load(self, model: TrainedModel) -> Generation:
        """Load the indexes of a model. Embeddings with a wrong checksum are dropped and recomputed from the stored data."""
        model.cache_dir = self._store.path.with_name("cache")
        texts_path = self._index_path.with_name(_TEXT_INDEX)
        return Generation(model, self._index(model, self._index_path, "images"), self._index(model, texts_path, "texts"))

    def save(self) -> None:
        """Write the index caches if possible; a missing cache only costs the time to rebuild it."""
        generation = self.latest
        generation.index.close()
        generation.texts.close()

    def _index(self, model: TrainedModel, path: Path, feed: Feed) -> SyncedIndex:
        def opened() -> SyncedIndex:
            return SyncedIndex(
                self._store, model.model_id, embed_dim=model.spec.embed_dim, path=path, kind=self._index_kind, feed=feed
            )

        try:
            return opened()
        except StoreError as error:
            dropped = self._store.changes.drop_damaged(model.model_id, feed=feed)
            if not dropped:
                raise
            log.warning("%s %d damaged embeddings were dropped and will be recomputed", error, len(dropped))
            return opened()

    def _follow_switch(self) -> None:
        """Load the model file if another process has switched."""
        active = self._store.models.active()
        if active in (None, self.latest.model.model_id):
            return
        with self._switching:
            active = self._store.models.active()
            if active in (None, self.latest.model.model_id):
                return
            try:
                model = load_model(self._model_path)
            except (CheckpointError, StoreError) as error:
                log.warning("another process switched models, but %s The current model stays active.", error)
                return
            if model.model_id == active:  # otherwise a switch is in progress
                self.latest = self.load(model)
