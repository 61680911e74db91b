"""`import-vectors`: import embeddings computed elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands import _console
from commands._open import opened_store, settings
from commands._options import Quiet, Verbose
from crossmodal.errors import StoreError
from crossmodal.installation import COMMAND

if TYPE_CHECKING:
    from crossmodal.store import Store


def import_vectors(
    vectors: Annotated[Path, typer.Argument(help="A .npy file of floats, (n, dimension).")],
    ids: Annotated[
        Path | None,
        typer.Option(help="Ids of the rows: JSON as written by export (the default), .npy, or text with one per line."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="ID", help="Id (or prefix) of the model that made them; by default the active one.")
    ] = None,
    normalise: Annotated[bool, typer.Option("--normalise", help="Normalise rows to unit length instead of refusing them.")] = False,
    skip_unknown: Annotated[bool, typer.Option("--skip-unknown", help="Skip unknown ids instead of refusing all.")] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Store embeddings computed elsewhere for existing items; all or none, with dimension and model checked.

    Ids are item ids, or content hashes, which are the same in every collection. An id that belonged to a different picture when it was
    exported counts as unknown. Exits with 4 for unusable files: not finite, wrong dimension, or a different number of ids and rows.
    """
    _console.prepare(quiet=quiet, verbose=verbose)
    from engine.import_vectors import import_vectors as bring_in
    from engine.import_vectors import read_vectors

    found = read_vectors(vectors.expanduser(), ids.expanduser() if ids else None)
    with opened_store() as store:
        model_id, embed_dim = _model(store, model)
        count = bring_in(store, found, model_id=model_id, embed_dim=embed_dim, normalise=normalise, skip_unknown=skip_unknown)
    # The cache has the previous embeddings; the next search rebuilds it.
    settings().index_path.unlink(missing_ok=True)
    _console.plain(f"{count}\timported")


def _model(store: Store, wanted: str | None) -> tuple[str, int | None]:
    """Id and embedding dimension of the requested model.

    Raises:
        StoreError: `index_model_mismatch`: no model or several have this prefix. CheckpointError: there is no active model.
    """
    if wanted is None:
        from engine.models.loading import load_model

        model = load_model(settings().model_path)
        return model.model_id, model.spec.embed_dim
    meant = [model_id for model_id in store.models.counts() if model_id.startswith(wanted)]
    if len(meant) != 1:
        many = f"{len(meant)} models here have" if meant else "No model here has"
        what = f'{many} an id that begins with "{wanted:.40}".'
        raise StoreError("index_model_mismatch", what, remedy=f"See their ids: {COMMAND} models")
    return meant[0], store.models.embed_dim(meant[0])
