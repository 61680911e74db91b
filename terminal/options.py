"""Options that several commands share, each said once."""

from collections.abc import Sequence
from typing import Annotated, Literal

import typer

from crossmodal.errors import QueryError

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only the answer and errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Also what happens inside; tracebacks of errors.")]
Json = Annotated[bool, typer.Option("--json", help="The answer as JSON.")]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        "-w",
        metavar="NAME=VALUE",
        help="Only items with this attribute. Repeat it: other names must match too, another value of a name is an alternative. "
        "catalogue=… filters by source.",
    ),
]

Side = Annotated[
    Literal["test", "validation", "train", "all"],
    typer.Option(metavar="SIDE", help="Which side of the split: test, validation, train or all."),
]


def filter_of(pairs: Sequence[str] | None) -> dict[str, list[str]] | None:
    """`["colour=red", "colour=blue"]` as `{"colour": ["red", "blue"]}`; None for none.

    Raises:
        QueryError: `bad_request`, there is no "=" or nothing before it.
    """
    found: dict[str, list[str]] = {}
    for name, value in map(_pair, pairs or ()):
        found.setdefault(name, []).append(value)
    return found or None


def attributes_of(pairs: Sequence[str] | None) -> dict[str, str]:
    """`["colour=red"]` as `{"colour": "red"}`.

    Raises:
        QueryError: `bad_request`, as `filter_of`, or a name comes twice: an item has one value of each.
    """
    found: dict[str, str] = {}
    for name, value in map(_pair, pairs or ()):
        if name in found:
            what = f'The attribute "{name:.60}" comes twice: an item has one value of each.'
            raise QueryError("bad_request", what, remedy="Name it once.")
        found[name] = value
    return found


def id_of(word: str) -> int:
    """The id of an item. Raises QueryError `bad_request` for what is none."""
    if not (word.isascii() and word.isdigit() and 0 < int(word) < 2**63):
        raise QueryError("bad_request", f'"{word:.40}" is not the id of an item.', remedy="Look it up: python cli.py list")
    return int(word)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise QueryError("bad_request", f'"{text:.60}" is not NAME=VALUE.', remedy="Write it like colour=red.")
    return name.strip(), value.strip()
