"""`models`: which models the collection has, and which there are to train."""

from __future__ import annotations

from typing import Annotated

import typer

from terminal import output
from terminal.opening import opened_app
from terminal.options import Json, Quiet, Verbose


def models(
    presets: Annotated[bool, typer.Option("--presets", help="The models that can be trained here, by name.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """List the models of this collection, the one in use first; or with --presets those that can be trained.

    In a pipe: id, name, pictures looked at with it, "in use" or "kept"; for presets name and what it is.
    """
    output.prepare(quiet=quiet, verbose=verbose)
    if presets:
        from experiments.presets import PRESETS

        known = [PRESETS.get(name) for name in PRESETS.names()]
        if as_json:
            output.as_json([{"name": preset.name, "says": preset.says, "embed_dim": preset.embed_dim} for preset in known])
        else:
            output.table(["name", "what it is"], [(preset.name, preset.says) for preset in known])
        return
    with opened_app(fill=False) as app:
        found = app.models()
    if as_json:
        fields = ("model_id", "name", "items_embedded", "active")
        output.as_json([{field: getattr(entry, field) for field in fields} for entry in found])
        return
    rows = [(entry.model_id, entry.name, entry.items_embedded, "in use" if entry.active else "kept") for entry in found]
    output.table(["id", "name", "pictures", "state"], rows, numbers=["pictures"])
