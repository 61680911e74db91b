"""Switch the model of a live collection: a new generation is built beside the old one, which serves searches until it is complete.

Every batch of embeddings is one transaction under the new model's id, so that a pass that was paused, stopped or killed resumes where it
was. Items added meanwhile get embeddings of both models in one transaction. Then the file is put in place, and one transaction verifies
that no item is missing and marks the model as active; other processes follow on their next search.

Switching or deleting models requires a lock that the process holds until it is done, so that no other process deletes an incomplete
generation or mistakes it for one left by a killed process.
"""

import logging
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from crossmodal.errors import BusyError, CheckpointError, QueryError, StoreError
from crossmodal.locks import is_locked, try_lock
from crossmodal.progress import OnProgress, check_stop
from engine.core import SearchEngine
from engine.encoding import reads_titles
from engine.info import ModelGeneration, model_name
from engine.models.loading import load_model
from engine.models.reembed import Embedded, embed_missing
from engine.models.store import ModelFiles, known_models, name_key
from engine.models.trained import TrainedModel

log = logging.getLogger(__name__)

_NEXT_MODEL = "next_model"
_PASSES = 100


class Switching:
    """Switches between the models of one app's collection.

    Args:
        files: the model files.
    """

    def __init__(self, app: SearchEngine, files: ModelFiles) -> None:
        self._app = app
        self._files = files
        self._lock = app.store.path.with_name("switching.lock")
        self._program_ends = False

    def import_file(self, path: Path) -> TrainedModel:
        """Import the model in a file under its id.

        Raises:
            CheckpointError: the file is not a usable model. QueryError: `bad_request`: it is already active.
        """
        model = self._files.import_file(path)
        if model.model_id == self._app.generation().model.model_id:
            raise QueryError("bad_request", f"The model in {path.name:.80} is already active.", remedy="Give another file.")
        return model

    def keep(self, model: TrainedModel) -> TrainedModel:
        """Store a newly trained model under its id."""
        return self._files.keep(model)

    def run(
        self, model: TrainedModel, on_progress: OnProgress, stop: threading.Event | None = None, *, drop_older: bool = False
    ) -> str:
        """Embed the collection with a stored model, then activate it. Embeddings of an earlier pass are reused. Returns a summary.

        Args:
            drop_older: afterwards delete all models except this and the previous one.

        Raises:
            Stopped: the previous model stays active; completed embeddings are kept and reused when the switch is restarted.
            BusyError: another process is switching the model.
        """
        with self._alone():
            former = self._app.generation().model
            note = self._make_and_switch(model, former, on_progress, stop)
            if drop_older:
                self._drop_all_but({model.model_id, former.model_id})
        return f"{model_name(model)} is in use now. The previous model is kept until you drop it. {note}".strip()

    def unfinished(self) -> TrainedModel | None:
        """The model of an interrupted switch; None if there is none, or if another process is running it."""
        model_id = self._app.store.meta.get(_NEXT_MODEL)
        if not model_id or model_id == self._app.generation().model.model_id or is_locked(self._lock):
            return None
        try:
            return load_model(self._files.path_of(model_id))
        except (CheckpointError, StoreError) as error:
            log.warning("a model switch cannot be resumed: %s", error)
            return None

    def keep_pending(self) -> None:
        """Mark the program as ending: a switch stopped from now on is resumed at the next start."""
        self._program_ends = True

    def models(self) -> list[ModelGeneration]:
        """All models with embeddings or a file here, the active one first."""
        active = self._app.generation().model
        return known_models(self._app.store, self._files, active=active, model_path=self._app.model_path)

    def drop_previous(self) -> list[str]:
        """Delete all inactive models with their embeddings and files; returns their ids.

        Raises:
            BusyError: a switch is in progress, here or in another process.
        """
        with self._alone():
            return self._drop_all_but({self._app.generation().model.model_id})

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with try_lock(self._lock) as held:
            if not held:
                raise BusyError(
                    "busy", "The model is being switched.", remedy="Wait until it is done, or stop it where it was started."
                )
            yield

    def _drop_all_but(self, kept: Collection[str]) -> list[str]:
        gone = [entry.model_id for entry in self.models() if entry.model_id not in kept]
        for model_id in gone:
            self._app.store.models.drop(model_id)
            self._files.drop(model_id)
        if self._app.store.meta.get(_NEXT_MODEL) in gone:
            self._app.store.meta.set(_NEXT_MODEL, "")
        return gone

    def _make_and_switch(
        self, model: TrainedModel, former: TrainedModel, on_progress: OnProgress, stop: threading.Event | None
    ) -> str:
        """Returns a note for the user, usually empty."""
        generations, store = self._app.generations, self._app.store
        self._keep_former(former)
        if model.model_id not in self._files.listed():  # dropped since it was imported
            self._files.keep(model)
        store.meta.set(name_key(model.model_id), model_name(model))
        for each in (former, model):  # otherwise the inactive one misses new titles, or is re-embedded needlessly
            store.models.set_reads_titles(each.model_id, reads_titles(each))
        store.meta.set(_NEXT_MODEL, model.model_id)
        model.cache_dir = former.cache_dir
        generations.prepared = model
        try:
            embedded = embed_missing(model, store, self._app.encoding, on_progress, stop)
            check_stop(stop, "Switching the model")
            return self._switch(model, former, embedded, on_progress).note
        finally:
            generations.prepared = None
            if not self._program_ends:  # a stop by the user or an error cancels the request; a kill or the program's end does not
                store.meta.set(_NEXT_MODEL, "")

    def _keep_former(self, former: TrainedModel) -> None:
        """Store the active model under its id, too, so that it can be restored."""
        self._app.store.meta.set(name_key(former.model_id), model_name(former))
        if former.model_id in self._files.listed():
            return
        try:
            self._files.import_file(self._app.model_path)
        except (CheckpointError, StoreError) as error:
            log.warning("the active model cannot be kept: %s", error)

    def _switch(self, model: TrainedModel, former: TrainedModel, embedded: Embedded, on_progress: OnProgress) -> Embedded:
        """Activate the model; embeds items that another process added meanwhile first.

        An item whose stored picture cannot be read would block every switch; it is left without an embedding until its picture is repaired.
        """
        self._files.put_into_use(model.model_id)
        try:
            for _ in range(_PASSES):
                if self._app.switch_to(model, unreadable=embedded.unreadable):
                    return embedded
                embedded = embed_missing(model, self._app.store, self._app.encoding, on_progress)
            raise BusyError(
                "busy", "Items are added faster than the new model can embed them.", remedy="Try again when fewer are added."
            )
        except BaseException:
            if self._app.generation().model.model_id == former.model_id and former.model_id in self._files.listed():
                self._files.put_into_use(former.model_id)
            raise
