"""`train`: train a preset model on your own pictures and captions."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands import _console
from commands._app import stop_on_interrupt
from commands._open import settings
from commands._options import ALL_PICTURES, Device, Quiet, Verbose
from commands._progress import ProgressBar
from crossmodal.installation import COMMAND

if TYPE_CHECKING:
    from engine.models.train import TrainingReport
    from training.presets import Recipe

_PRESET = "Override the preset"


def train(
    preset: Annotated[str, typer.Option(help='Which model: "models --presets" lists them.')] = "mobilenet-minilm",
    data: Annotated[
        str | None,
        typer.Option(help="A CSV, folder, Parquet, ZIP or tar of shards with captions; by default this installation's catalogue."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder; by default runs/PRESET.")] = None,
    image_weights: Annotated[Path | None, typer.Option(help="File or folder of weights for the picture side.")] = None,
    text_weights: Annotated[Path | None, typer.Option(help="Folder of weights for the text side.")] = None,
    image_scaling: Annotated[
        str | None,
        typer.Option(
            help="Pixel scaling of the image weights: imagenet, symmetric or clip; by default that of the published weights."
        ),
    ] = None,
    image_size: Annotated[int | None, typer.Option(help="Side of the pictures in pixels.", rich_help_panel=_PRESET)] = None,
    dim: Annotated[int | None, typer.Option(min=8, max=4096, help="Length of an embedding.", rich_help_panel=_PRESET)] = None,
    random_weights: Annotated[bool, typer.Option("--random-weights", help="Start from random weights.")] = False,
    epochs: Annotated[int | None, typer.Option(min=0, help="Passes over the pictures.", rich_help_panel=_PRESET)] = None,
    batch_size: Annotated[int | None, typer.Option(min=2, help="Pictures per batch.", rich_help_panel=_PRESET)] = None,
    learning_rate: Annotated[float | None, typer.Option(min=0.0, help="Peak rate of the heads.", rich_help_panel=_PRESET)] = None,
    image_learning_rate: Annotated[
        float | None, typer.Option(min=0.0, help="Peak rate of unfrozen pretrained picture blocks.", rich_help_panel=_PRESET)
    ] = None,
    text_learning_rate: Annotated[
        float | None, typer.Option(min=0.0, help="Peak rate of unfrozen pretrained text blocks.", rich_help_panel=_PRESET)
    ] = None,
    loss: Annotated[str | None, typer.Option(help="clip, infonce, triplet or siglip.", rich_help_panel=_PRESET)] = None,
    schedule: Annotated[str | None, typer.Option(help="cosine, step, plateau or one_cycle.", rich_help_panel=_PRESET)] = None,
    image_blocks: Annotated[
        int | None,
        typer.Option(min=-1, help="Blocks of the image backbone to unfreeze; -1 for all.", rich_help_panel=_PRESET),
    ] = None,
    text_blocks: Annotated[
        int | None, typer.Option(min=-1, help="Blocks of the text backbone to unfreeze; -1 for all.", rich_help_panel=_PRESET)
    ] = None,
    views: Annotated[
        int | None,
        typer.Option(min=1, help="Views of each picture: 1 original, 2 also mirrored, more are crops.", rich_help_panel=_PRESET),
    ] = None,
    accumulation: Annotated[
        int | None, typer.Option(min=1, help="Batches whose gradients are accumulated per step.", rich_help_panel=_PRESET)
    ] = None,
    warm_up: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Share of the steps used for warm-up.", rich_help_panel=_PRESET)
    ] = None,
    patience: Annotated[
        int | None, typer.Option(min=1, help="Epochs without validation improvement before stopping.", rich_help_panel=_PRESET)
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 42,
    max_pictures: Annotated[int, typer.Option(min=8, help="Pictures at most.", show_default="all")] = ALL_PICTURES,
    save_every_epochs: Annotated[int, typer.Option(min=0, help="Keep the weights of every n-th epoch; 0 keeps none.")] = 0,
    save_every_steps: Annotated[int, typer.Option(min=0, help="Batches between two saved states; 0: after each epoch.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Resume the run in the folder.")] = False,
    device: Device = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Train a model, keep the best weights by validation, and evaluate it on a held-out test set.

    The run folder contains model.pth (activate it with "use"), best and last weights, settings, history, TensorBoard events, and the
    evaluation as JSON, Markdown and HTML. Unspecified hyper-parameters are those of the preset. Ctrl-C stops; --resume continues
    to the same numbers.
    """
    _console.prepare(quiet=quiet, verbose=verbose)
    from crossmodal.errors import TrainingError
    from crossmodal.runtimes.device import resolve_device
    from engine.models.build import WeightsRequest, assemble
    from engine.models.train import train_model
    from initialize import read_captioned
    from training.presets import preset_named
    from training.run import RunSettings

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise TrainingError(
            "training_failed",
            "Training on several processes, which torchrun starts, is not part of this program any more.",
            remedy=f"Start one: {COMMAND} train with the same options. --accumulation keeps the size of a step.",
        )
    chosen, wanted = settings(), preset_named(preset)
    resolve_device(device or chosen.device)  # refused before weights and pictures are read
    recipe = _recipe(
        wanted.recipe,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        image_learning_rate=image_learning_rate,
        text_learning_rate=text_learning_rate,
        loss=loss,
        schedule=schedule,
        image_blocks=image_blocks,
        text_blocks=text_blocks,
        views=views,
        patience=patience,
        accumulation=accumulation,
        warm_up=warm_up,
    )
    changes = {"scaling": image_scaling, "image_size_px": image_size}
    request = WeightsRequest(
        folder=chosen.weights_dir,
        image=image_weights,
        text=text_weights,
        random=random_weights,
        download=chosen.download_weights,
        timeout_s=chosen.download_timeout_s,
        image_config={name: value for name, value in changes.items() if value is not None},
    )
    with stop_on_interrupt() as stop, ProgressBar(quiet=quiet) as progress:
        assembled = assemble(wanted, request, seed=seed, embed_dim=dim, image_px=image_size)
        pictures, failures, source = read_captioned(
            chosen, data, size=assembled.spec.image_size_px, max_pictures=max_pictures, on_progress=progress, stop=stop
        )
        run = RunSettings(
            folder=out or chosen.runs_dir / preset.replace(":", "-").replace("/", "-"),
            cache=chosen.cache_dir,
            source=source,
            preset=assembled.spec.preset,
            weights=assembled.notes,
            recipe=recipe,
            seed=seed,
            save_every_epochs=save_every_epochs,
            save_every_steps=save_every_steps,
            resume=resume,
            device=device or chosen.device,
        )
        if not quiet:
            _console.note(" ".join(assembled.notes))
        report = train_model(assembled, pictures, run, on_progress=progress, stop=stop)
    _say(report, run.folder, len(failures))


def _recipe(recipe: Recipe, **changes: float | str | None) -> Recipe:
    named: dict[str, float | str | None] = {name: value for name, value in changes.items() if value is not None}
    for name in ("image_blocks", "text_blocks"):
        if named.get(name) == -1:
            named[name] = None
    return replace(recipe, **named)  # type: ignore[arg-type]


def _say(report: TrainingReport, folder: Path, failures: int) -> None:
    from crossmodal.evaluation.report import text_table

    if failures:
        _console.note(f"{failures:,} rows could not be used.")
    _console.plain(text_table(report.result))
    _console.plain(
        f"Encoding frozen features took {report.encoding_seconds:.0f} s, training {report.training_seconds:.0f} s. "
        f"The model is {folder / 'model.pth'}; search with it: {COMMAND} use {folder}"
    )
