"""A name in a table of what there is; an unknown one is answered with the known ones, nearest in spelling first."""

import difflib
from collections.abc import Mapping
from typing import TypeVar

from crossmodal.errors import QueryError

T = TypeVar("T")


def lookup(members: Mapping[str, T], name: str, *, kind: str) -> T:
    """The member of a name.

    Args:
        kind: what the members are, as a person reads it: `image backbone`, `loss`, `preset`.

    Raises:
        QueryError: `bad_request`; there is none. The remedy lists every known name.
    """
    if name in members:
        return members[name]
    known = sorted(members, key=lambda other: -difflib.SequenceMatcher(None, name.lower(), other.lower()).ratio())
    raise QueryError(
        "bad_request", f"There is no {kind} called {name!r:.80}.", remedy=f"Known are: {', '.join(known) or 'none yet'}."
    )
