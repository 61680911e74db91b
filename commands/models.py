"""`models`: list the collection's models, or the presets for training."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from commands import _console
from commands._open import opened_store, settings
from commands._options import Json, Quiet, Verbose
from crossmodal.errors import CheckpointError, CheckpointMissing, StoreError, StoreMissing

if TYPE_CHECKING:
    from pathlib import Path

    from engine.info import ModelGeneration
    from engine.models.trained import TrainedModel


def models(
    presets: Annotated[bool, typer.Option("--presets", help="List the models that can be trained.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """List the models of this collection, the active one first; or with --presets those that can be trained.

    In a pipe: id, name, pictures encoded with it, "in use" or "kept"; for presets name and description. Never trains a model.
    """
    _console.prepare(quiet=quiet, verbose=verbose)
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
