"""`edit`: change an item's title and attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from commands import _console
from commands._console import item_as_dict
from commands._open import opened_app, opened_store, settings
from commands._options import Json, Quiet, Verbose, attributes_of, id_of
from commands._progress import ProgressBar
from crossmodal.errors import QueryError

if TYPE_CHECKING:
    from crossmodal.items import Item


def edit(
    item: Annotated[str, typer.Argument(metavar="ID", help="Id of an item.")],
    title: Annotated[str | None, typer.Option(help="The new title.")] = None,
    attribute: Annotated[
        list[str] | None,
        typer.Option("--attribute", "-a", metavar="NAME=VALUE", help="An attribute to add or change; repeatable."),
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option("--without", metavar="NAME", help="An attribute to remove; repeatable.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Change the title or attributes of an item; other attributes stay.

    Changes survive re-indexing of the item's catalogue. In a pipe: id, "edited", title, separated by tabs.
    """
    _console.prepare(quiet=quiet, verbose=verbose)
    number, changed, dropped = id_of(item), attributes_of(attribute), set(without or ())
    if title is None and not changed and not dropped:
        raise typer.BadParameter("Specify what to change: --title, --attribute or --without.")
    if dropped & changed.keys():
        raise typer.BadParameter("An attribute is either changed or removed: use --attribute or --without, not both.")
    with opened_store() as store:
        former = dict(store.items.get(number).attributes)
    if lacking := dropped - former.keys():
        what = f'Item {number} has no attribute "{min(lacking):.60}".'
        raise QueryError("not_found", what, remedy=f"It has: {', '.join(former) or 'none'}.")
    attributes = {name: value for name, value in {**former, **changed}.items() if name not in dropped}
    edited = _edited(number, title, attributes, quiet=quiet)
    if as_json:
        _console.as_json(item_as_dict(edited))
    else:
        _console.plain(f"{edited.item_id}\tedited\t{_console.cell(edited.title)}")


def _edited(item_id: int, title: str | None, attributes: dict[str, str], *, quiet: bool) -> Item:
    """Apply the change; loads the model only for a new title, which must be encoded."""
    if title is None:
        from engine.validation import Limits
        from engine.validation import attributes_of as within_limits

        chosen = settings()
        limits = Limits(chosen.max_query_chars, chosen.max_top_k, chosen.max_image_bytes)
        with opened_store() as store:
            return store.items.edit(item_id, attributes=within_limits(limits, attributes))
    with ProgressBar(quiet=quiet) as progress, opened_app(progress, fill=False) as app:
        return app.update_item(item_id, title=title, attributes=attributes)
