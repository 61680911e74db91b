"""Names to the things they stand for; an unknown name is answered with the known ones, nearest in spelling first."""

import difflib
from typing import Generic, TypeVar

from crossmodal.errors import QueryError

T = TypeVar("T")


class Registry(Generic[T]):
    """One kind of thing by name.

    Args:
        kind: what the members are, as a person reads it: `image backbone`, `loss`, `preset`.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._members: dict[str, T] = {}

    def register(self, name: str, member: T) -> T:
        """Add a member, and give it back.

        Raises:
            ValueError: the name is taken.
        """
        if name in self._members:
            raise ValueError(f"there is already a {self.kind} called {name}")
        self._members[name] = member
        return member

    def get(self, name: str) -> T:
        """The member of a name.

        Raises:
            QueryError: `bad_request`; there is none. The remedy lists every known name.
        """
        if name in self._members:
            return self._members[name]
        known = sorted(self._members, key=lambda other: -difflib.SequenceMatcher(None, name.lower(), other.lower()).ratio())
        raise QueryError(
            "bad_request", f"There is no {self.kind} called {name!r:.80}.", remedy=f"Known are: {', '.join(known) or 'none yet'}."
        )

    def names(self) -> tuple[str, ...]:
        """Every name, in the order they were registered."""
        return tuple(self._members)

    def __contains__(self, name: object) -> bool:
        return name in self._members
