"""`use`: switch the collection to another model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands import _console
from commands._app import stop_on_interrupt
from commands._open import model_file, no_model, opened_app
from commands._options import Quiet, Verbose
from commands._progress import ProgressBar
from crossmodal.errors import CheckpointMissing
from crossmodal.text.cleaning import counted, were


def use(
    model: Annotated[str, typer.Argument(help='A run folder, a model file, "everyday" (built in), or an id as shown by "models".')],
    drop_previous: Annotated[bool, typer.Option("--drop-former", help="Delete the previous model afterwards.")] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Encode every picture of the collection with another model, then switch to it atomically.

    Until then the app and the API search with the current model; they follow the switch at once. Ctrl-C stops; the same command resumes.
    """
    _console.prepare(quiet=quiet, verbose=verbose)
    _check(model)
    with stop_on_interrupt() as stop, ProgressBar(quiet=quiet) as progress, opened_app(progress, fill=False) as app:
        known = {entry.model_id: entry.path for entry in app.models()}
        chosen = known.get(model) or model_file(model, or_id=True)
        try:
            imported = app.switching.import_file(chosen)
        except CheckpointMissing as error:
            raise no_model(chosen, or_id=True) from error
        message = app.switching.run(imported, progress, stop)
        dropped = app.drop_previous_models() if drop_previous else []
    if dropped:
        message = f"{message.partition('.')[0]}. {counted(len(dropped), 'previous model')} {were(len(dropped))} deleted."
    _console.plain(message)


def _check(model: str) -> None:
    """Raise for a path that does not exist before a model is loaded or trained; an id is looked up later."""
    if "/" in model or model.endswith(".pth") or Path(model).exists():
        model_file(model, or_id=True)
