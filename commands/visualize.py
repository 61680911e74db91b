"""`visualize`: plot search results and the embedding space of a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands import _console
from commands._app import stop_on_interrupt
from commands._open import named_model, settings
from commands._options import ALL_PICTURES, Quiet, Side, Verbose
from commands._progress import ProgressBar


def visualize(
    model: Annotated[
        Path | None, typer.Option(help='A model file, a run folder or "everyday" (built in); by default the active model.')
    ] = None,
    data: Annotated[str | None, typer.Option(help="A catalogue with captions; by default this installation's own.")] = None,
    side: Side = "test",
    out: Annotated[Path, typer.Option(help="Folder for the plots.")] = Path("outputs/visualizations"),
    query: Annotated[list[str] | None, typer.Option("--query", help="A query; repeatable. By default five common ones.")] = None,
    method: Annotated[str, typer.Option(help="Projection: pca, tsne or umap.")] = "pca",
    max_pictures: Annotated[int, typer.Option(min=8, help="Pictures of the side at most.", show_default="all")] = ALL_PICTURES,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Plot the best matches of some queries, a projection of the embeddings, similarities, ranks, scores, and training curves.

    Training curves are plotted if --model is a run folder.
    """
    _console.prepare(quiet=quiet, verbose=verbose)
    from crossmodal.training.run_dir import RunDir
    from initialize import read_captioned
    from training.report import EXAMPLE_QUERIES, draw_all

    chosen = settings()
    with stop_on_interrupt() as stop, ProgressBar(quiet=quiet) as progress:
        trained = named_model(chosen, model)
        pictures, _failures, _source = read_captioned(
            chosen,
            data,
            spec=trained.spec,
            max_pictures=ALL_PICTURES,
            on_progress=progress,
            stop=stop,
        )
        indices = (list(range(len(pictures))) if side == "all" else pictures.side(side))[:max_pictures]
        history = RunDir(model).history() if model is not None and model.is_dir() else []
        paths = draw_all(
            trained,
            pictures,
            indices,
            out,
            queries=query or EXAMPLE_QUERIES,
            method=method,
            history=history,
            on_progress=progress,
        )
    for path in paths:
        _console.plain(str(path))
