"""`models`: list the collection's models and the presets for training; list, fetch and use published models."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands import _console
from commands._app import stop_on_interrupt
from commands._open import opened_app, opened_store, settings
from commands._options import Json, Quiet, Verbose
from commands._progress import ProgressBar
from crossmodal.errors import CheckpointError, CheckpointMissing, QueryError, StoreError, StoreMissing
from crossmodal.hub.published import megabytes
from crossmodal.installation import COMMAND

if TYPE_CHECKING:
    from engine.info import ModelGeneration
    from engine.models.published import PublishedState
    from engine.models.trained import TrainedModel


def models(
    action: Annotated[
        str,
        typer.Argument(help="list: published models. get NAME: download one. use NAME: embed the collection with it and switch."),
    ] = "",
    name: Annotated[str, typer.Argument(help="ORGANISATION/NAME of a published model, or its last part.")] = "",
    folder: Annotated[
        Path | None, typer.Option("--from", help="A folder of this computer that holds the model's files; nothing is downloaded.")
    ] = None,
    discard: Annotated[bool, typer.Option("--discard", help="With get: delete an unfinished download.")] = False,
    presets: Annotated[bool, typer.Option("--presets", help="List the models that can be trained.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """List the models of this collection, the active one first; with --presets those that can be trained. Never trains a model.

    In a pipe: id, name, pictures encoded with it, "in use" or "kept"; for presets name and description. "models list" shows the published
    models that know words for photos. "models get NAME" downloads one: Ctrl-C pauses, and the same command goes on. "models use NAME" puts
    it into use.
    """
    _console.prepare(quiet=quiet, verbose=verbose)
    if action not in ("", *_ACTIONS):
        raise QueryError("bad_request", f'"models {action:.40}" is not known.', remedy=f"Known are {', '.join(_ACTIONS)}.")
    if action in ("get", "use"):
        if not name:
            raise QueryError("bad_request", f"models {action} needs the name of a model.", remedy=f"See: {COMMAND} models list")
        (_get if action == "get" else _use)(name, folder, discard=discard, quiet=quiet)
        return
    if action == "list":
        _published(as_json=as_json)
        return
    if presets:
        _presets(as_json=as_json)
        return
    found = _found(quiet=quiet)
    if as_json:
        fields = ("model_id", "name", "items_embedded", "active")
        _console.as_json([{field: getattr(entry, field) for field in fields} for entry in found])
        return
    rows = [(entry.model_id, entry.name, entry.items_embedded, "in use" if entry.active else "kept") for entry in found]
    _console.table(["id", "name", "pictures", "state"], rows, numbers=["pictures"])


_ACTIONS = ("list", "get", "use")


def _published(*, as_json: bool) -> None:
    from engine.models.published import published_states

    chosen = settings()
    with ExitStack() as opened:
        try:
            store = opened.enter_context(opened_store())
        except StoreMissing:
            store = None
        states = published_states(chosen.weights_dir, store, active_preset=_preset_in_use(chosen.model_path))
    if as_json:
        _console.as_json([{**asdict(state.model), **{key: getattr(state, key) for key in _STATE}} for state in states])
        return
    columns = ["name", "licence", "size", "COCO R@1, words to picture", "state"]
    rows = [
        (
            state.model.repository,
            state.model.licence,
            megabytes(state.model.size_bytes),
            f"{state.model.coco[0]} %",
            _standing(state),
        )
        for state in states
    ]
    _console.table(columns, rows)
    _console.note(f"Figures as published: {'; '.join(dict.fromkeys(state.model.figures_from for state in states))}.")


_STATE = ("here", "in_use", "arrived_bytes", "pictures_per_s")


def _standing(state: PublishedState) -> str:
    if state.in_use:
        standing = "in use"
    elif state.here:
        standing = "here"
    else:
        standing = f"{megabytes(state.arrived_bytes)} arrived" if state.arrived_bytes else "not here"
    return f"{standing}, {state.pictures_per_s:.3g} pictures/s" if state.pictures_per_s else standing


def _get(name: str, folder: Path | None, *, discard: bool, quiet: bool) -> None:
    from crossmodal.hub import download
    from crossmodal.hub.files import recorded
    from crossmodal.hub.published import PUBLISHED
    from engine.models.published import repository_named

    repository, home = repository_named(name), settings().weights_dir
    if discard:
        download.discard(repository, home)
        _console.plain(f"Nothing is left of an unfinished download of {repository}.")
        return
    known = next((model for model in PUBLISHED if model.repository == repository), None)
    if known is not None and not quiet:
        _console.note(f"{known.title}, licence {known.licence}: {known.page}")
    with stop_on_interrupt("Paused; the same command goes on. Press Ctrl-C again to end at once.") as stop, _bar(quiet) as progress:
        if folder is not None:
            record = recorded(folder.expanduser(), download.record_path(repository, home), repository=repository)
        else:
            record = download.download(repository, home, on_progress=progress, stop=stop)
    _console.plain(
        f"{repository} is in {record.folder}, {megabytes(record.size_bytes)}, checked. Use it: {COMMAND} models use {name}"
    )


def _use(name: str, folder: Path | None, *, discard: bool, quiet: bool) -> None:  # noqa: ARG001 - the same as of `_get`
    from engine.models.published import repository_named

    repository = repository_named(name)
    with stop_on_interrupt() as stop, _bar(quiet) as progress, opened_app(progress, fill=False) as app:
        message = app.tasks.use_published(repository, progress, stop, folder=folder.expanduser() if folder is not None else None)
    _console.plain(message)


def _bar(quiet: bool) -> ProgressBar:
    return ProgressBar(quiet=quiet, answered=("download",))


def _preset_in_use(path: Path) -> str:
    active, _refused = _in_use(path)
    return active.spec.preset if active is not None else ""


def _presets(*, as_json: bool) -> None:
    from training.presets import PRESETS

    known = list(PRESETS.values())
    if as_json:
        _console.as_json([{"name": preset.name, "says": preset.description, "embed_dim": preset.embed_dim} for preset in known])
    else:
        _console.table(["name", "what it is"], [(preset.name, preset.description) for preset in known])


def _found(*, quiet: bool) -> list[ModelGeneration]:
    """The models in the store and the model folder. An unusable active model is reported, not retrained.

    Raises:
        StoreMissing: there is neither a collection nor a model. StoreError: it cannot be read. CheckpointError: there is only a file that
            is not a model.
    """
    from engine.models.store import ModelFiles, known_models

    chosen = settings()
    with ExitStack() as opened:
        active, refused = _in_use(chosen.model_path)
        try:
            store = opened.enter_context(opened_store())
        except StoreMissing:
            if isinstance(refused, CheckpointMissing):
                raise
            store = None
        files = ModelFiles(chosen.store_path.parent / "models", chosen.model_path)
        known = known_models(store, files, active=active, model_path=chosen.model_path)
    if refused is not None:
        if not known:
            raise refused
        if not quiet:
            _console.note(f"No model is in use: {refused.message} The next search trains one on this computer.")
    return known


def _in_use(path: Path) -> tuple[TrainedModel | None, CheckpointError | StoreError | None]:
    """The active model, or why there is none."""
    from engine.models.loading import load_model

    try:
        return load_model(path), None
    except (CheckpointError, StoreError) as error:
        return None, error
