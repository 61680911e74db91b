"""Which items a search may answer: equality on attributes and catalogue, said by a caller, resolved by the database."""

import json
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from crossmodal.errors import QueryError
from crossmodal.items import Item
from crossmodal.store.connections import Connection
from crossmodal.store.items import ITEM_COLUMNS, item_of, storable

Filter = Mapping[str, str | Sequence[str]]
"""Attribute → its value, or any of several; all attributes must match. `catalogue` stands for the item's source."""

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


def matching(db: Connection, conditions: Conditions) -> npt.NDArray[np.int64]:
    """Ids of the items that match, ascending. Shape: (n,) int64."""
    terms, values = sql_of(conditions)
    rows = db.execute(f"SELECT item_id FROM items WHERE {' AND '.join(terms)} ORDER BY item_id", values).fetchall()
    return np.fromiter((item_id for (item_id,) in rows), dtype=np.int64, count=len(rows))


def page(db: Connection, limit: int, *, after_id: int, conditions: Conditions) -> list[Item]:
    """Up to `limit` matching items beyond `after_id`, in the order of their ids."""
    terms, values = sql_of(conditions)
    sql = f"SELECT {ITEM_COLUMNS} FROM items WHERE {' AND '.join(terms)} AND items.item_id > ? ORDER BY items.item_id LIMIT ?"
    rows = db.execute(sql, (*values, max(-1, min(after_id, 2**63 - 1)), max(0, limit))).fetchall()
    return [item_of(row) for row in rows]


def attribute_values(db: Connection, limit: int) -> dict[str, list[tuple[str, int]]]:
    """Each attribute with its `limit` most frequent values and how many items have them, most frequent first."""
    rows = db.execute(
        "SELECT key, value, n FROM ("
        " SELECT key, value, n, ROW_NUMBER() OVER (PARTITION BY key ORDER BY n DESC, value) AS place FROM ("
        "  SELECT attribute.key AS key, attribute.value AS value, COUNT(*) AS n"
        "  FROM items, json_each(items.attributes) AS attribute WHERE items.removed_at IS NULL GROUP BY 1, 2))"
        " WHERE place <= ? ORDER BY key, place",
        (limit,),
    ).fetchall()
    found: dict[str, list[tuple[str, int]]] = {}
    for name, value, count in rows:
        found.setdefault(name, []).append((value, count))
    return found
