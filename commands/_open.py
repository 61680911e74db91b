"""Open the collection of this installation: the whole app, or only the store if no model is needed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossmodal.errors import CheckpointMissing, SourceError, StoreMissing
from crossmodal.installation import COMMAND
from crossmodal.progress import OnProgress, Progress, ignore_progress

if TYPE_CHECKING:
    from api.client import RemoteApp
    from config import Settings
    from crossmodal.store import Store
    from engine.live import LiveApp
    from engine.models.trained import TrainedModel

log = logging.getLogger(__name__)

_chosen: dict[str, Any] = {}
_LOOK_EVERY_S = 0.1
_IN_A_RUN = "model.pth"
_BUILT_IN = "everyday"


def choose(*, data_dir: Path | None) -> None:
    """Set the folder of the collection from the command line; None resets it to that of the environment."""
    _chosen.clear()
    if data_dir is not None:
        _chosen["data_dir"] = data_dir.expanduser()


def settings() -> Settings:
    """The settings of this installation, with the overrides of the command line.

    Raises:
        QueryError: `bad_request`: a variable of the environment or of `.env` is misspelt or has an invalid value.
    """
    from config import read_settings

    return read_settings(**_chosen)


def model_file(model: str | Path, *, or_id: bool = False) -> Path:
    """The file of a model given by its file or run folder.

    Args:
        model: `everyday` names the built-in model, which is written among the collection's models.
        or_id: whether an id is allowed as well; for the message.

    Raises:
        SourceError: `file_missing`. WeightsError: the built-in model's weights are not installed.
    """
    path = Path(model).expanduser()
    if str(model) == _BUILT_IN and not path.exists():
        return _built_in_file()
    file = path / _IN_A_RUN if path.is_dir() else path
    if not file.is_file():
        raise no_model(file, or_id=or_id)
    return file


def _built_in_file() -> Path:
    from engine.models.build import built_in_model
    from engine.models.store import ModelFiles

    made = built_in_model()
    files = ModelFiles(settings().store_path.with_name("models"), settings().model_path)
    return files.path_of(files.keep(made).model_id)


def no_model(file: Path, *, or_id: bool = False) -> SourceError:
    """The error for a missing model file; see `model_file`."""
    if file.name == _IN_A_RUN:
        what = f"There is no {_IN_A_RUN} in the folder {file.parent.absolute()}."
        remedy = f"Name the folder of a finished run; {COMMAND} train --resume finishes one."
        return SourceError("file_missing", what, remedy=remedy)
    what = f"There is no model at {file.absolute()}" + (", and none here has this id." if or_id else ".")
    by_id = f", or an id as {COMMAND} models shows it in full" if or_id else ""
    return SourceError("file_missing", what, remedy=f"Name a run folder (runs/NAME) or a model file{by_id}.")


def named_model(chosen: Settings, path: Path | None) -> TrainedModel:
    """The model in a file or a run folder; without a path the active one.

    Raises:
        SourceError: `file_missing`. CheckpointError: it is not a usable model.
    """
    from engine.models.loading import load_model

    file = chosen.model_path if path is None else model_file(path)
    try:
        return load_model(file)
    except CheckpointMissing as error:
        if path is not None:
            raise no_model(file) from error
        what = f"There is no model in use yet: {file} does not exist."
        raise SourceError("file_missing", what, remedy=f"Name one with --model, or make one with {COMMAND} index.") from error


@contextmanager
def opened_app(on_progress: OnProgress = ignore_progress, *, fill: bool = True) -> Iterator[LiveApp]:
    """Open the whole app; closes it at the end. A first start makes the model, and reports it.

    Args:
        fill: index the catalogue of this installation if the collection never had items. An emptied collection is not refilled.
    """
    from initialize import build_system

    chosen = settings()
    if chosen.first_model == "trained" and not chosen.model_path.exists():
        on_progress(Progress("model", "There is no model yet. One is trained on this computer now, which takes about a minute."))
    app = build_system(chosen, on_progress, fill=False, at_once=True)
    try:
        if not app.store.items.count():  # every item has an embedding of this model
            app.generations.set_initial()
        if fill and not app.count():
            _fill(app, chosen, on_progress)
        yield app
    finally:
        app.close()


def _fill(app: LiveApp, chosen: Settings, on_progress: OnProgress) -> None:
    from initialize import fill_index

    if app.store.items.count():  # none of them is embedded yet
        app.tasks.embed_missing(app.generation().model, on_progress)
        app.generations.set_initial()
    elif app.tasks.is_new():
        fill_index(app, chosen, on_progress)
        wait_for_job(app, on_progress)


@contextmanager
def nearest_app(on_progress: OnProgress = ignore_progress, *, fill: bool = True) -> Iterator[LiveApp | RemoteApp]:
    """Connect to the running page or API of this collection; open the whole app if none is running."""
    from api.client import connect

    chosen = settings()
    if (running := connect(chosen.store_path.parent, chosen.model_path)) is not None:
        log.debug("connected to a running program")
        with running:
            yield running
        return
    with opened_app(on_progress, fill=fill) as app:
        yield app


@contextmanager
def opened_store() -> Iterator[Store]:
    """Open only the store, without loading a model.

    Raises:
        StoreMissing: there is no collection yet.
    """
    from crossmodal.store import Store

    try:
        store = Store(settings().store_path, create=False)
    except StoreMissing as error:
        raise StoreMissing(error.code, error.message, remedy=f"Create one: {COMMAND} index YOUR_PICTURES") from error
    with store:
        yield store


def wait_for_job(app: LiveApp, on_progress: OnProgress, stop: threading.Event | None = None) -> None:
    """Wait for the job started by this process; stop it when `stop` is set. Raises the job's error if it fails."""
    from crossmodal.jobs import UNDER_WAY

    while (status := app.jobs.wait(_LOOK_EVERY_S)) is not None and status.state in UNDER_WAY:
        if stop is not None and stop.is_set():
            app.jobs.cancel_own()
        on_progress(status.progress)
    if status is not None and status.error is not None:
        raise status.error
