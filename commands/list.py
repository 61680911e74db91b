"""`list`: what is in the collection."""

from __future__ import annotations

from typing import Annotated

import typer

from terminal import output
from terminal.answers import item_as_dict, show_items
from terminal.opening import opened_catalog
from terminal.options import Json, Quiet, Verbose, Where, filter_of

_VALUES = 20


def list_items(
    where: Where = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Items at most.")] = 50,
    after: Annotated[int, typer.Option(metavar="ID", help="Only items beyond this id: the last one of the page before.")] = 0,
    catalogues: Annotated[bool, typer.Option("--catalogues", help="The catalogues, instead of items.")] = False,
    attributes: Annotated[bool, typer.Option("--attributes", help="What a filter may ask for, instead of items.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """List items, oldest first; or the catalogues, or the attributes and their values.

    In a pipe: id, title, catalogue, attributes, when it was added, source, with tabs between.
    """
    output.prepare(quiet=quiet, verbose=verbose)
    if catalogues and attributes:
        raise typer.BadParameter("Choose one of --catalogues and --attributes.")
    if catalogues:
        _catalogues(as_json=as_json)
    elif attributes:
        _attributes(as_json=as_json)
    else:
        _items(filter_of(where), limit, after, as_json=as_json, quiet=quiet)


def _items(where: dict[str, list[str]] | None, limit: int, after: int, *, as_json: bool, quiet: bool) -> None:
    from crossmodal.catalog.filters import checked

    with opened_catalog() as catalog:
        items = catalog.matching_page(limit + 1, after, checked(where))
        total = catalog.count()
    more, items = len(items) > limit, items[:limit]
    cursor = items[-1].item_id if more else None
    if as_json:
        output.as_json({"items": [item_as_dict(item) for item in items], "next_after": cursor, "total": total})
        return
    show_items(items)
    if not quiet:
        output.note(f"{len(items):,} of {total:,} items." + (f" Go on with --after {cursor}" if cursor is not None else ""))


def _catalogues(*, as_json: bool) -> None:
    with opened_catalog() as catalog:
        known = catalog.catalogues()
    if as_json:
        fields = ("name", "kind", "location", "items", "failures", "completed_at")
        output.as_json({"catalogues": [{name: getattr(entry, name) for name in fields} for entry in known]})
        return
    rows = [
        (entry.name, entry.kind, entry.items, entry.failures, "yes" if entry.completed_at else "no", entry.location)
        for entry in known
    ]
    output.table(("name", "kind", "items", "failed", "complete", "location"), rows, numbers=("items", "failed"))


def _attributes(*, as_json: bool) -> None:
    with opened_catalog() as catalog:
        values = catalog.attribute_values(_VALUES)
    if as_json:
        output.as_json({"attributes": {name: dict(counted) for name, counted in values.items()}})
        return
    rows = [(name, value, count) for name, counted in values.items() for value, count in counted]
    output.table(("attribute", "value", "items"), rows, numbers=("items",))
