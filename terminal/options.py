"""Options that several commands share, each said once."""

from collections.abc import Sequence
from typing import Annotated

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
        "[b]catalogue=…[/b] filters by source.",
    ),
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
    """`["colour=red"]` as `{"colour": "red"}`; the last one of a name counts. Raises like `filter_of`."""
    return dict(map(_pair, pairs or ()))


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise QueryError("bad_request", f'"{text:.60}" is not NAME=VALUE.', remedy="Write it like colour=red.")
    return name.strip(), value.strip()
