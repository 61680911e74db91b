"""`list`: list the items of the collection."""

from __future__ import annotations

from typing import Annotated

import typer

from commands import _app, _console
from commands._console import item_as_dict, show_items
from commands._open import opened_store
from commands._options import Json, Quiet, Verbose, Where, where_of, why_nothing
from crossmodal.text.cleaning import counted

_ITEMS = 50
_VALUES = 20
_BEYOND = 2**63 - 1


def list_items(
    where: Where = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            "-n",
            "--top",
            "-k",
            min=1,
            help="Maximum number of items (default 50), or with --attributes of values each (default 20).",
        ),
    ] = None,
    after: Annotated[
        int, typer.Option(metavar="ID", min=0, help="Only items after this id, the last one of the previous page.")
    ] = 0,
    sources: Annotated[bool, typer.Option("--catalogues", help="List catalogues instead of items.")] = False,
    attributes: Annotated[bool, typer.Option("--attributes", help="List attributes for filters instead of items.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """List items, oldest first; or the catalogues, or the attributes and their values.

    In a pipe: id, title, catalogue, attributes, date added, source, separated by tabs. Exits with 1 if there is nothing to list.
    """
    _console.prepare(quiet=quiet, verbose=verbose)
    if sources and attributes:
        raise typer.BadParameter("Choose one of --catalogues and --attributes.")
    if (sources or attributes) and (where or after):
        raise typer.BadParameter("--where and --after are for items: omit --catalogues and --attributes.")
    if sources:
        _sources(as_json=as_json)
    elif attributes:
        _attributes(limit or _VALUES, as_json=as_json, quiet=quiet)
    else:
        _items(where_of(where), limit or _ITEMS, after, as_json=as_json, quiet=quiet)


def _items(where: dict[str, list[str]] | None, limit: int, after: int, *, as_json: bool, quiet: bool) -> None:
    from crossmodal.filters import Filter

    with opened_store() as store:
        chosen = Filter.of(where)
        total = len(store.items.matching(chosen)) if where else store.items.count()
        items = store.items.matching_page(min(limit, total) + 1, min(after, _BEYOND), chosen)
    more, items = len(items) > limit, items[:limit]
    cursor = items[-1].item_id if more else None
    if as_json:
        _console.as_json(
            {"items": [item_as_dict(item) for item in items], "next_after": None if cursor is None else str(cursor), "total": total}
        )
    elif items:
        show_items(items)
        if not quiet:
            _console.note(f"{len(items):,} of {counted(total, 'item')}." + (f" Continue with --after {cursor}" if more else ""))
    elif not quiet:
        _console.note(why_nothing(where))
    if not items:
        raise typer.Exit(_app.NOTHING)


def _sources(*, as_json: bool) -> None:
    with opened_store() as store:
        known, counts = store.sources.all(), store.sources.counts()
    fields = ("name", "kind", "items", "failures", "completed_at", "location")
    rows = [tuple(getattr(entry, name) for name in fields) for entry in known]
    # Items added by hand form a source, too, without a file.
    rows += [(name, "by hand", n, 0, None, "") for name, n in counts.items() if name not in {entry.name for entry in known}]
    if as_json:
        _console.as_json({"catalogues": [dict(zip(fields, row, strict=True)) for row in rows]})
        return
    shown = [(*row[:4], "yes" if row[4] or row[1] == "by hand" else "no", row[5]) for row in rows]
    _console.table(("name", "kind", "items", "failed", "complete", "location"), shown, numbers=("items", "failed"))


def _attributes(limit: int, *, as_json: bool, quiet: bool) -> None:
    with opened_store() as store:
        limit = min(limit, store.items.count())
        values = store.items.attribute_values(limit + 1)
    if as_json:
        _console.as_json({"attributes": {name: dict(found[:limit]) for name, found in values.items()}})
    else:
        rows = [(name, value, times) for name, found in values.items() for value, times in found[:limit]]
        _console.table(("attribute", "value", "items"), rows, numbers=("items",))
    cut = [_console.cell(name) for name, found in values.items() if len(found) > limit]
    if cut and not quiet:
        _console.note(f"More than {limit:,} values: {', '.join(cut)}. See more with --limit {10 * limit}")
