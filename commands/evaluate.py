"""`evaluate`: measure retrieval between pictures and captions, beside chance."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands import _console
from commands._app import stop_on_interrupt
from commands._open import named_model, settings
from commands._options import ALL_PICTURES, Device, Json, Quiet, Side, Verbose
from commands._progress import ProgressBar


def evaluate(
    model: Annotated[
        Path | None, typer.Option(help='A model file, a run folder or "everyday" (built in); by default the active model.')
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="A CSV, folder, Parquet, ZIP or tar with captions; by default this installation's catalogue."),
    ] = None,
    side: Side = "test",
    out: Annotated[Path | None, typer.Option(help="Folder for evaluation.json, .md and .html.")] = None,
    max_pictures: Annotated[int, typer.Option(min=8, help="Pictures of the side at most.", show_default="all")] = ALL_PICTURES,
    as_json: Json = False,
    device: Device = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Measure both directions: recall, ranks, mAP, nDCG, with 95 % intervals and chance levels.

    Any of a picture's captions counts as correct. docs/evaluation.md defines the metrics.
    """
    _console.prepare(quiet=quiet, verbose=verbose)
    from crossmodal.evaluation.report import json_report, text_table
    from crossmodal.runtimes.device import resolve_device
    from initialize import read_captioned
    from training.report import evaluate_model, write_report

    chosen = settings()
    on = resolve_device(device or chosen.device)
    with stop_on_interrupt() as stop, ProgressBar(quiet=quiet) as progress:
        trained = named_model(chosen, model).to(on)
        pictures, _failures, source = read_captioned(
            chosen,
            data,
            spec=trained.spec,
            max_pictures=ALL_PICTURES,
            on_progress=progress,
            stop=stop,
        )
        places = (list(range(len(pictures))) if side == "all" else pictures.side(side))[:max_pictures]
        result = evaluate_model(trained, pictures, places, progress)
    if out is not None:
        about = {"Model": f"{trained.spec.preset}, {trained.model_id}", "Data": source, "Side": side}
        write_report(out, result, title=f"{trained.spec.preset} on {source}", about=about)
    _console.plain(json_report(result) if as_json else text_table(result))
