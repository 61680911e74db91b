"""Filters: equality on attributes and source, as a caller writes them, as checked, and as a condition of SQL."""

import json
from collections.abc import Mapping, Sequence

from crossmodal.errors import QueryError
from crossmodal.store.rows import storable

Filter = Mapping[str, str | Sequence[str]]
"""Attribute → its value, or any of several; all attributes must match. `catalogue` means the item's source."""

Conditions = tuple[tuple[str, tuple[str, ...]], ...]
"""A filter that was checked, in a fixed order: equal filters are equal, and can be looked up."""

CATALOGUE = "catalogue"
MAX_ATTRIBUTES = 50
MAX_VALUES = 1_000

# An attribute's name may hold any character, which a JSON path could not: names and values are compared as the table's own rows.
_HAS_VALUE = (
    "EXISTS (SELECT 1 FROM json_each(items.attributes) AS attribute"
    " WHERE attribute.key = ? AND attribute.value IN (SELECT value FROM json_each(?)))"
)
_IS_OF = "items.catalogue IN (SELECT value FROM json_each(?))"


def checked(where: Filter | None) -> Conditions:
    """A filter, looked over; none and an empty one let everything through.

    Raises:
        QueryError: `bad_request` for anything but texts under texts, for an attribute without a value, or for too many of either.
    """
    if where is None:
        return ()
    if not isinstance(where, Mapping):
        raise _refused(f"A filter is a table of attributes, not {where!r:.60}.")
    if len(where) > MAX_ATTRIBUTES:
        raise _refused(f"A filter may name {MAX_ATTRIBUTES} attributes, not {len(where):,}.")
    return tuple(sorted((_name(name), _values(name, value)) for name, value in where.items()))


def _name(name: object) -> str:
    if not isinstance(name, str) or not name:
        raise _refused(f"The name of an attribute is a text, not {name!r:.60}.")
    return storable(name)


def _values(name: object, value: object) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if isinstance(values, bytes) or not isinstance(values, Sequence) or not all(isinstance(each, str) for each in values):
        raise _refused(f"The filter {name!r:.60} takes a text or several, not {value!r:.60}.")
    if not 1 <= len(values) <= MAX_VALUES:
        raise _refused(f"The filter {name!r:.60} takes 1 to {MAX_VALUES:,} values, not {len(values):,}.")
    return tuple(sorted({storable(each) for each in values}))


def _refused(what: str) -> QueryError:
    return QueryError("bad_request", what, remedy='Give values by attribute, for instance {"colour": "red"}.')


def sql_of(conditions: Conditions) -> tuple[list[str], list[object]]:
    """Terms to be joined by AND over the table `items`, removed ones left out, and the values of their question marks."""
    terms, values = ["items.removed_at IS NULL"], list[object]()
    for name, wanted in conditions:
        if name == CATALOGUE:
            terms.append(_IS_OF)
            values.append(json.dumps(wanted))
        else:
            terms.append(_HAS_VALUE)
            values += [name, json.dumps(wanted)]
    return terms, values
