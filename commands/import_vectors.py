"""`import-vectors`: embeddings made elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands import _console
from commands._open import opened_store, settings
from commands._options import Quiet, Verbose
from crossmodal.errors import StoreError

if TYPE_CHECKING:
    from crossmodal.store import Store


def import_vectors(
    vectors: Annotated[Path, typer.Argument(help="A .npy file, (n, length) of floats.")],
    ids: Annotated[
        Path | None,
        typer.Option(help="Ids of the rows: JSON as export writes it (so without this option), .npy, or text with one a line."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="ID", help="Id of the model that made them, or its beginning; without it the one in use.")
    ] = None,
    normalise: Annotated[bool, typer.Option("--normalise", help="Bring rows to length 1 instead of refusing them.")] = False,
    skip_unknown: Annotated[
        bool, typer.Option("--skip-unknown", help="Leave out ids that are not here instead of refusing all.")
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Store embeddings from elsewhere for items that are here; all or none, length and model checked.

    Ids are those of items, or content hashes, which are the same in every collection. An id that an export gave to another picture than
    the one it means here counts as one that is not here. Ends with 4 for files that cannot be used: not finite, of another length than the
    model's, not one id a row.
    """
    _console.prepare(quiet=quiet, verbose=verbose)
    from engine.import_vectors import import_vectors as bring_in
    from engine.import_vectors import read_vectors

    found = read_vectors(vectors.expanduser(), ids.expanduser() if ids else None)
    with opened_store() as store:
        model_id, embed_dim = _model(store, model)
        count = bring_in(store, found, model_id=model_id, embed_dim=embed_dim, normalise=normalise, skip_unknown=skip_unknown)
    # The cache is of the embeddings that were there before; the next search makes it anew.
    settings().index_path.unlink(missing_ok=True)
    _console.plain(f"{count}\timported")


def _model(store: Store, wanted: str | None) -> tuple[str, int | None]:
    """Id and embedding length of the model that is meant.

    Raises:
        StoreError: `index_model_mismatch`, no model or several begin like that. CheckpointError: there is no model in use.
    """
    if wanted is None:
        from engine.models.loading import load_model

        model = load_model(settings().model_path)
        return model.model_id, model.spec.embed_dim
    meant = [model_id for model_id in store.models.counts() if model_id.startswith(wanted)]
    if len(meant) != 1:
        many = f"{len(meant)} models here have" if meant else "No model here has"
        what = f'{many} an id that begins with "{wanted:.40}".'
        raise StoreError("index_model_mismatch", what, remedy="See their ids: python cli.py models")
    return meant[0], store.models.embed_dim(meant[0])
