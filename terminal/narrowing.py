"""From `--where` to a filter, and why nothing passed it: what only the collection itself knows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import PurePath

from crossmodal.errors import QueryError
from terminal import output
from terminal.opening import opened_catalog, settings
from terminal.options import filter_of

_CATALOGUE = "catalogue"
_EMPTY = "The collection is empty. Bring pictures in: python cli.py index YOUR_PICTURES"
_NAMED = 5


def narrowed(pairs: Sequence[str] | None) -> dict[str, list[str]] | None:
    """The filter that `--where` asks for; a catalogue may be named by the last part of its path.

    Raises:
        QueryError: `bad_request`, a pair is none, or the last part is that of several catalogues.
    """
    where = filter_of(pairs)
    if where is None or _CATALOGUE not in where or not settings().catalog_path.exists():
        return where
    with opened_catalog() as catalog:
        known = list(catalog.counts())
    return where | {_CATALOGUE: [whole_name(name, known) for name in where[_CATALOGUE]]}


def whole_name(name: str, known: Collection[str]) -> str:
    """The catalogue that is meant by its name or the last part of it; the name itself where there is none.

    Raises:
        QueryError: `bad_request`, several end like that.
    """
    if name in known:
        return name
    meant = [each for each in known if name in (PurePath(each).name, PurePath(each).stem)]
    if len(meant) > 1:
        names = ", ".join(output.cell(each) for each in meant[:_NAMED])
        raise QueryError("bad_request", f'Several catalogues end in "{name:.60}": {names}.', remedy="Name one of them in full.")
    return meant[0] if meant else name


def why_nothing(where: dict[str, list[str]] | None) -> str:
    """A sentence for whoever found nothing: the collection is empty, or no item has what was asked for."""
    if not settings().catalog_path.exists():
        return "Nothing was found."
    with opened_catalog() as catalog:
        if not catalog.count():
            return _EMPTY
        if not where:
            return "Nothing was found."
        known, catalogues = catalog.attribute_values(1), catalog.counts()
    unknown = [name for name in where if name != _CATALOGUE and name not in known]
    if unknown:
        names = ", ".join(f'"{output.cell(name)}"' for name in unknown[:_NAMED])
        return f"Nothing was found: no item has an attribute {names}. See what there is: python cli.py list --attributes"
    if _CATALOGUE in where and not any(name in catalogues for name in where[_CATALOGUE]):
        names = ", ".join(output.cell(name) for name in list(catalogues)[:_NAMED])
        return f"Nothing was found: there is no such catalogue. There are: {names}."
    return "Nothing was found."
