"""The model in use and the indexes of its embeddings, replaced together; another process's switch is followed."""

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
    """A model and the indexes of its embeddings: always replaced together, so that nothing ever mixes.

    Attributes:
        index: over items. `texts`: over what they say.
    """

    model: TrainedModel
    index: SyncedIndex
    texts: SyncedIndex


class Generations:
    """Which generation answers. May be used from many threads.

    Args:
        model: the one in use at the start.
        index_path: where the index of items keeps its cache; that of texts lies beside it.
        index_kind: name of a kind of index in `crossmodal.indexes.kinds`.
        model_path: where the model lies; looked at again when another process switches models.

    Attributes:
        latest: the generation in use, not caught up.
        prepared: a model that is about to take over: what is added meanwhile gets its embeddings, too.
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
        """The model and indexes in use, caught up with every thread and process."""
        version = self._store.version()
        if version != self._seen_version:
            self._follow_switch()
            self._seen_version = version
        generation = self.latest
        generation.index.refresh()
        return generation

    def written(self) -> list[TrainedModel]:
        """The models whose embeddings every new item gets: the one in use first, then the one that is about to take over."""
        current, prepared = self.current().model, self.prepared
        return [current] if prepared is None or prepared.model_id == current.model_id else [current, prepared]

    def switch_to(self, model: TrainedModel, *, unreadable: Collection[int] = ()) -> bool:
        """Put another model into use in one moment, if every item has its embedding; False, and nothing changed, if one has none.

        Searches under way end with the former one. Other processes follow at their next search.

        Args:
            unreadable: ids of items that may lack it, because their stored pictures cannot be read: no search will find them.
        """
        if self._waiting is None or self._waiting.model is not model:
            self._waiting = self.load(model)  # may take seconds; searches go on
        with self._switching:
            if not self._store.models.activate(model.model_id, unreadable=unreadable):
                return False  # a next try begins at once, before much more is added
            self.latest, self._waiting = self._waiting, None
        self.save()
        return True

    def set_initial(self) -> bool:
        """Tell other processes which model this one began with, once its embeddings are complete.

        False, and nothing changed, if one of them switched since the start: then that model is followed.
        """
        model = self.latest.model
        self._store.models.set_reads_titles(model.model_id, reads_titles(model))  # for when it is the former one
        return self._store.models.set_initial(model.model_id, instead_of=self._active_at_start)

    def load(self, model: TrainedModel) -> Generation:
        """The indexes of a model. Embeddings that fail their checksum are dropped, to be made again from what is stored."""
        texts_path = self._index_path.with_name(_TEXT_INDEX)
        return Generation(model, self._index(model, self._index_path, "images"), self._index(model, texts_path, "texts"))

    def save(self) -> None:
        """Write the indexes' caches, as far as that can be done: a lost one costs the time to build it, and nothing else."""
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
            log.warning("%s %d damaged embeddings were dropped and will be made again", error, len(dropped))
            return opened()

    def _follow_switch(self) -> None:
        """Another process may have trained and switched: then its model file is the one to use here too."""
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
                log.warning("another process switched models, but %s The present model stays in use.", error)
                return
            if model.model_id == active:  # otherwise somebody is changing it at this moment
                self.latest = self.load(model)
