"""`train`: train a preset model on your own pictures and captions."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands import _console
from commands._app import stop_on_interrupt
from commands._open import settings
from commands._options import ALL_PICTURES, Device, Quiet, Verbose, with_option_groups
from commands._progress import ProgressBar
from crossmodal.installation import COMMAND

if TYPE_CHECKING:
    from config import Settings
    from engine.models.build import WeightsRequest
    from engine.models.train import TrainingReport
    from training.presets import Recipe

_PRESET = "Override the preset"


@dataclass(frozen=True, slots=True)
class WeightsOptions:
    """Where the initial weights come from, and what they are built into."""

    image_weights: Annotated[Path | None, typer.Option(help="File or folder of weights for the picture side.")] = None
    text_weights: Annotated[Path | None, typer.Option(help="Folder of weights for the text side.")] = None
    image_scaling: Annotated[
        str | None,
        typer.Option(
            help="Pixel scaling of the image weights: imagenet, symmetric or clip; by default that of the published weights."
        ),
    ] = None
    image_size: Annotated[int | None, typer.Option(help="Side of the pictures in pixels.", rich_help_panel=_PRESET)] = None
    dim: Annotated[int | None, typer.Option(min=8, max=4096, help="Length of an embedding.", rich_help_panel=_PRESET)] = None
    random_weights: Annotated[bool, typer.Option("--random-weights", help="Start from random weights.")] = False

    def request(self, chosen: Settings) -> WeightsRequest:
        """The request for `assemble`."""
        from engine.models.build import WeightsRequest

        changes = {"scaling": self.image_scaling, "image_size_px": self.image_size}
        return WeightsRequest(
            folder=chosen.weights_dir,
            image=self.image_weights,
            text=self.text_weights,
            random=self.random_weights,
            download=chosen.download_weights,
            timeout_s=chosen.download_timeout_s,
            image_config={name: value for name, value in changes.items() if value is not None},
        )


@dataclass(frozen=True, slots=True)
class RecipeOptions:
    """Hyper-parameters in place of the preset's; None keeps those."""

    epochs: Annotated[int | None, typer.Option(min=0, help="Passes over the pictures.", rich_help_panel=_PRESET)] = None
    batch_size: Annotated[int | None, typer.Option(min=2, help="Pictures per batch.", rich_help_panel=_PRESET)] = None
    learning_rate: Annotated[float | None, typer.Option(min=0.0, help="Peak rate of the heads.", rich_help_panel=_PRESET)] = None
    image_learning_rate: Annotated[
        float | None, typer.Option(min=0.0, help="Peak rate of unfrozen pretrained picture blocks.", rich_help_panel=_PRESET)
    ] = None
    text_learning_rate: Annotated[
        float | None, typer.Option(min=0.0, help="Peak rate of unfrozen pretrained text blocks.", rich_help_panel=_PRESET)
    ] = None
    loss: Annotated[str | None, typer.Option(help="clip, infonce, triplet or siglip.", rich_help_panel=_PRESET)] = None
    schedule: Annotated[str | None, typer.Option(help="cosine, step, plateau or one_cycle.", rich_help_panel=_PRESET)] = None
    image_blocks: Annotated[
        int | None,
        typer.Option(min=-1, help="Blocks of the image backbone to unfreeze; -1 for all.", rich_help_panel=_PRESET),
    ] = None
    text_blocks: Annotated[
        int | None, typer.Option(min=-1, help="Blocks of the text backbone to unfreeze; -1 for all.", rich_help_panel=_PRESET)
    ] = None
    views: Annotated[
        int | None,
        typer.Option(min=1, help="Views of each picture: 1 original, 2 also mirrored, more are crops.", rich_help_panel=_PRESET),
    ] = None
    accumulation: Annotated[
        int | None, typer.Option(min=1, help="Batches whose gradients are accumulated per step.", rich_help_panel=_PRESET)
    ] = None
    warm_up: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Share of the steps used for warm-up.", rich_help_panel=_PRESET)
    ] = None
    patience: Annotated[
        int | None, typer.Option(min=1, help="Epochs without validation improvement before stopping.", rich_help_panel=_PRESET)
    ] = None

    def apply(self, recipe: Recipe) -> Recipe:
        """The recipe with these changes."""
        changes: dict[str, Any] = {name: value for name, value in asdict(self).items() if value is not None}
        for name in ("image_blocks", "text_blocks"):
            if changes.get(name) == -1:
                changes[name] = None  # the whole backbone
        return replace(recipe, **changes)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How the run is repeated, saved and resumed."""

    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 42
    max_pictures: Annotated[int, typer.Option(min=8, help="Pictures at most.", show_default="all")] = ALL_PICTURES
    save_every_epochs: Annotated[int, typer.Option(min=0, help="Keep the weights of every n-th epoch; 0 keeps none.")] = 0
    save_every_steps: Annotated[int, typer.Option(min=0, help="Batches between two saved states; 0: after each epoch.")] = 0
    resume: Annotated[bool, typer.Option("--resume", help="Resume the run in the folder.")] = False
    device: Device = None


@with_option_groups
def train(
    *,
    preset: Annotated[str, typer.Option(help='Which model: "models --presets" lists them.')] = "mobilenet-minilm",
    data: Annotated[
        str | None,
        typer.Option(help="A CSV, folder, Parquet, ZIP or tar of shards with captions; by default this installation's catalogue."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder; by default runs/PRESET.")] = None,
    weights: WeightsOptions,
    recipe: RecipeOptions,
    run: RunOptions,
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
    from engine.models.build import assemble
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
    device = run.device or chosen.device
    resolve_device(device)  # refused before weights and pictures are read
    changed = recipe.apply(wanted.recipe)
    with stop_on_interrupt() as stop, ProgressBar(quiet=quiet) as progress:
        request = replace(weights.request(chosen), on_progress=progress, stop=stop)
        assembled = assemble(wanted, request, seed=run.seed, embed_dim=weights.dim, image_px=weights.image_size)
        pictures, failures, source = read_captioned(
            chosen,
            data,
            spec=assembled.spec,
            max_pictures=run.max_pictures,
            on_progress=progress,
            stop=stop,
        )
        run_settings = RunSettings(
            folder=out or chosen.runs_dir / preset.replace(":", "-").replace("/", "-"),
            cache=chosen.cache_dir,
            source=source,
            preset=assembled.spec.preset,
            weights=assembled.notes,
            recipe=changed,
            seed=run.seed,
            save_every_epochs=run.save_every_epochs,
            save_every_steps=run.save_every_steps,
            resume=run.resume,
            device=device,
        )
        if not quiet:
            _console.note(" ".join(assembled.notes))
        report = train_model(assembled, pictures, run_settings, on_progress=progress, stop=stop)
    _say(report, run_settings.folder, len(failures))


def _say(report: TrainingReport, folder: Path, failures: int) -> None:
    from crossmodal.evaluation.report import text_table

    if failures:
        _console.note(f"{failures:,} rows could not be used.")
    _console.plain(text_table(report.result))
    _console.plain(
        f"Encoding frozen features took {report.encoding_seconds:.0f} s, training {report.training_seconds:.0f} s. "
        f"The model is {folder / 'model.pth'}; search with it: {COMMAND} use {folder}"
    )
