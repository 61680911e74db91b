"""Changing the model of a live collection: a new generation is made beside the old one, which answers until all is there.

Every batch of embeddings is a transaction under the new model's id, so that a pass that was paused, stopped or killed goes on where it
was. What is added meanwhile gets the embeddings of both models in one transaction. Then the file is put in place and the store is told, in
one transaction with the proof that no item is missing, which model is the active one; other processes follow at their next search.

Whoever changes the model, or deletes one, holds a lock as long as it lives: a half-made generation is its maker's, and nobody else deletes
it or takes it for one that a kill left behind.
"""

import logging
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from app_logic import LostFoundApp
from crossmodal.errors import BusyError, CheckpointError, QueryError, StoreError
from crossmodal.locks import is_locked, try_lock
from crossmodal.progress import OnProgress, check_stop
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
    """The generations of one app's collection.

    Args:
        files: where the models lie.
    """

    def __init__(self, app: LostFoundApp, files: ModelFiles) -> None:
        self._app = app
        self._files = files
        self._lock = app.store.path.with_name("switching.lock")
        self._program_ends = False

    def import_file(self, path: Path) -> TrainedModel:
        """The model in a file, kept under its id.

        Raises:
            CheckpointError: the file is no usable model. QueryError: `bad_request`, it is in use already.
        """
        model = self._files.import_file(path)
        if model.model_id == self._app.generation().model.model_id:
            raise QueryError("bad_request", f"The model in {path.name:.80} is in use already.", remedy="Name another file.")
        return model

    def keep(self, model: TrainedModel) -> TrainedModel:
        """A model that was just trained, kept under its id."""
        return self._files.keep(model)

    def run(
        self, model: TrainedModel, on_progress: OnProgress, stop: threading.Event | None = None, *, drop_older: bool = False
    ) -> str:
        """Make the generation of a kept model, then switch to it. Embeddings made by an earlier pass are not made again.

        Args:
            drop_older: delete every other model but the former one afterwards.

        Raises:
            Stopped: the former model stays in use; what was made so far stays, too, and is used when the switch is started again.
            BusyError: another process is changing the model.
        """
        with self._alone():
            former = self._app.generation().model
            note = self._make_and_switch(model, former, on_progress, stop)
            if drop_older:
                self._drop_all_but({model.model_id, former.model_id})
        return f"{model_name(model)} is in use now. The former model is kept until you drop it. {note}".strip()

    def unfinished(self) -> TrainedModel | None:
        """The model of a pass that was killed, or ended with its program; None when there was none, or it is under way elsewhere."""
        model_id = self._app.store.meta.get(_NEXT_MODEL)
        if not model_id or model_id == self._app.generation().model.model_id or is_locked(self._lock):
            return None
        try:
            return load_model(self._files.path_of(model_id))
        except (CheckpointError, StoreError) as error:
            log.warning("a change of the model cannot go on: %s", error)
            return None

    def keep_pending(self) -> None:
        """Before the program ends: what is stopped from now on goes on at the next start, as if it had been killed."""
        self._program_ends = True

    def models(self) -> list[ModelGeneration]:
        """Every model that has embeddings or a file here, the one in use first."""
        active = self._app.generation().model
        return known_models(self._app.store, self._files, active=active, model_path=self._app.model_path)

    def drop_previous(self) -> list[str]:
        """Delete every model but the one in use, with its embeddings and its file; returns their ids.

        Raises:
            BusyError: a model is about to take over, here or in another process.
        """
        with self._alone():
            return self._drop_all_but({self._app.generation().model.model_id})

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with try_lock(self._lock) as held:
            if not held:
                raise BusyError(
                    "busy", "The model is being changed.", remedy="Wait until it is done, or stop it where it was started."
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
        """Answers what a person should know of it, which is mostly nothing."""
        generations, store = self._app.generations, self._app.store
        self._keep_former(former)
        if model.model_id not in self._files.listed():  # dropped since it was taken in
            self._files.keep(model)
        store.meta.set(name_key(model.model_id), model_name(model))
        for each in (former, model):  # whichever is not in use misses a new title otherwise, or makes needless embeddings
            store.models.set_reads_titles(each.model_id, reads_titles(each))
        store.meta.set(_NEXT_MODEL, model.model_id)
        generations.prepared = model
        try:
            embedded = embed_missing(model, store, self._app.encoding, on_progress, stop)
            check_stop(stop, "Changing the model")
            return self._switch(model, former, embedded, on_progress).note
        finally:
            generations.prepared = None
            if not self._program_ends:  # a person's stop or an error ends the wish; a kill or the program's end does not
                store.meta.set(_NEXT_MODEL, "")

    def _keep_former(self, former: TrainedModel) -> None:
        """Have the model in use under its id, too, so that one can go back to it."""
        self._app.store.meta.set(name_key(former.model_id), model_name(former))
        if former.model_id in self._files.listed():
            return
        try:
            self._files.import_file(self._app.model_path)
        except (CheckpointError, StoreError) as error:
            log.warning("the model in use cannot be kept: %s", error)

    def _switch(self, model: TrainedModel, former: TrainedModel, embedded: Embedded, on_progress: OnProgress) -> Embedded:
        """The one moment. An item that another process brought in meanwhile is looked at first.

        One whose stored picture cannot be read would hold up every model for ever: it is left behind, and comes back with its picture.
        """
        self._files.put_into_use(model.model_id)
        try:
            for _ in range(_PASSES):
                if self._app.switch_to(model, unreadable=embedded.unreadable):
                    return embedded
                embedded = embed_missing(model, self._app.store, self._app.encoding, on_progress)
            raise BusyError(
                "busy", "So much is added that the new model does not catch up.", remedy="Try again when less is added."
            )
        except BaseException:
            if self._app.generation().model.model_id == former.model_id and former.model_id in self._files.listed():
                self._files.put_into_use(former.model_id)
            raise
