"""`remove`: remove items from the collection, or restore them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from commands import _app, _console
from commands._open import opened_app, opened_store
from commands._options import Quiet, Verbose, id_of, whole_name
from crossmodal.errors import QueryError
from crossmodal.installation import COMMAND
from crossmodal.text.cleaning import counted

if TYPE_CHECKING:
    from crossmodal.store import Store


def remove(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID...", help='Ids of items; "-" reads them from the standard input.')
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--source",
            "--catalogue",
            metavar="NAME",
            help="Remove a whole catalogue, given by its name in 'list --catalogues' or the end of it; 'added' for those added by hand.",
        ),
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Restore these ids; possible until the app starts again.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Remove items from the collection; your own files are not touched.

    In a pipe: id and "removed"; for a catalogue "catalogue", its name, the number of items, "removed". Exits with 3 if an id does
    not exist; the others are still removed.
    """
    _console.prepare(quiet=quiet, verbose=verbose)
    if (source is None) == (not ids):
        raise typer.BadParameter("Give ids, or one --catalogue.")
    if source is not None:
        if undo:
            raise typer.BadParameter("--undo takes ids; index the catalogue again instead.")
        _remove_source(source, yes=yes)
        return
    wanted = _numbers(ids or [])
    done = set(_restored(wanted) if undo else _removed(wanted))
    for item_id in wanted:
        if item_id in done:
            _console.plain(f"{item_id}\t{'restored' if undo else 'removed'}")
        else:
            _console.complain(f"There is no item {item_id} {'to restore' if undo else 'in the collection'}.")
    if len(done) < len(wanted):
        raise typer.Exit(_app.MISSING)


def _removed(wanted: list[int]) -> list[int]:
    with opened_store() as store:
        return store.items.remove(wanted)


def _restored(wanted: list[int]) -> list[int]:
    """Restore items; loads the model only for items it has not embedded yet (removed before it became active)."""

    with opened_store() as store:
        restored = store.items.restore(wanted)
        active = store.models.active()
        lacking = [item_id for item_id in restored if not _is_found(store, item_id, active)]
        store.items.remove(lacking)  # until they are encoded below: no search would find them
    if lacking:
        with opened_app(fill=False) as app:
            for item_id in lacking:
                app.restore_item(item_id)
    return restored


def _is_found(store: Store, item_id: int, model_id: str | None) -> bool:
    try:
        store.embeddings.get(item_id, model_id or "")
    except QueryError:
        return False
    return True


def _numbers(words: list[str]) -> list[int]:
    """Parse item ids, in order and without duplicates. Raises QueryError `bad_request` for an invalid id."""
    if words == ["-"]:
        words = sys.stdin.read().split()
    return list(dict.fromkeys(map(id_of, words)))


def _remove_source(name: str, *, yes: bool) -> None:
    """Remove a catalogue, or the items added by hand, which `list` also shows as a catalogue."""
    with opened_store() as store:
        counts = store.sources.counts()
        entries = {entry.name: entry for entry in store.sources.all()}
        known = {*entries, *counts}
        meant = next((entry.name for entry in entries.values() if entry.location == name), None) or whole_name(name, known)
        if meant not in known:
            raise QueryError(
                "not_found", f'There is no catalogue "{name:.200}".', remedy=f"See their names: {COMMAND} list --catalogues"
            )
        _confirm(meant, counts.get(meant, 0), yes=yes)
        gone = store.sources.remove(meant)
    _console.plain(f"catalogue\t{_console.cell(meant)}\t{len(gone)}\tremoved")


def _confirm(name: str, items: int, *, yes: bool) -> None:
    """Ask for confirmation before removing a catalogue; without a terminal, `--yes` is required."""
    if yes:
        return
    if not sys.stdin.isatty():
        what = f"{counted(items, 'item')} of {_console.cell(name)} would be removed; confirm with --yes, as there is no terminal."
        raise typer.BadParameter(what)
    if not typer.confirm(f"Remove {counted(items, 'item')} of {_console.cell(name)}?", err=True):
        raise typer.Exit(_app.STOPPED)
