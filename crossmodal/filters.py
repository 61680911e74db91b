"""Filters: equality on attributes and source, as a caller writes them and as validated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crossmodal.errors import QueryError

Where = Mapping[str, str | Sequence[str]]
"""A filter as a caller writes it: attribute → its value, or any of several; all must match. `catalogue` means one of its sources."""

CATALOGUE = "catalogue"
MAX_ATTRIBUTES = 50
MAX_VALUES = 1_000


@dataclass(frozen=True, slots=True)
class Filter:
    """A validated filter. Equal filters are equal, and can be looked up; an empty one is false and lets everything through.

    Attributes:
        values: attribute and its accepted values, both sorted.
    """

    values: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @classmethod
    def of(cls, where: Where | None) -> "Filter":
        """Validate what a caller wrote; None and an empty table give an empty filter.

        Raises:
            QueryError: `bad_request` for anything but texts under texts, for an attribute without a value, or for too many of either.
        """
        if where is None:
            return cls()
        if not isinstance(where, Mapping):
            raise _refused(f"A filter is a table of attributes, not {where!r:.60}.")
        if len(where) > MAX_ATTRIBUTES:
            raise _refused(f"A filter may name {MAX_ATTRIBUTES} attributes, not {len(where):,}.")
        return cls(tuple(sorted((_name(name), _values(name, value)) for name, value in where.items())))

    def __bool__(self) -> bool:
        return bool(self.values)


def _name(name: object) -> str:
    if not isinstance(name, str) or not name:
        raise _refused(f"The name of an attribute is a text, not {name!r:.60}.")
    return name


def _values(name: object, value: object) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if isinstance(values, bytes) or not isinstance(values, Sequence) or not all(isinstance(each, str) for each in values):
        raise _refused(f"The filter {name!r:.60} takes a text or several, not {value!r:.60}.")
    if not 1 <= len(values) <= MAX_VALUES:
        raise _refused(f"The filter {name!r:.60} takes 1 to {MAX_VALUES:,} values, not {len(values):,}.")
    return tuple(sorted(set(values)))


def _refused(what: str) -> QueryError:
    return QueryError("bad_request", what, remedy='Give values by attribute, for instance {"colour": "red"}.')
