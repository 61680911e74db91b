"""`use`: change the collection to another model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from terminal import output
from terminal.interrupts import stop_on_interrupt
from terminal.opening import opened_app
from terminal.options import Quiet, Verbose
from terminal.progress_bar import ProgressBar


def use(
    model: Annotated[str, typer.Argument(help='A run folder, a model file, or the id of a former model as "models" shows it.')],
    drop_former: Annotated[bool, typer.Option("--drop-former", help="Delete the former model afterwards.")] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Look at every picture of the collection with another model, then switch to it in one moment.

    The app and the API go on searching with the present model meanwhile, and follow at once. Ctrl-C stops; the same command goes on from
    there.
    """
    output.prepare(quiet=quiet, verbose=verbose)
    with stop_on_interrupt() as stop, ProgressBar(quiet=quiet) as told, opened_app(told, fill=False) as app:
        path = Path(model)
        known = {entry.model_id: entry.path for entry in app.models()}
        chosen = known.get(model) or (path / "model.pth" if path.is_dir() else path)
        message = app.switching.run(app.switching.take_in(chosen), told, stop)
        dropped = app.drop_former_model() if drop_former else []
    output.plain(message if not dropped else f"{message.partition('.')[0]}. {len(dropped)} former models were deleted.")
