"""A filter as a condition of SQL."""

import json

from crossmodal.filters import CATALOGUE, Filter
from crossmodal.store.rows import storable

# An attribute's name may hold any character, which a JSON path could not: names and values are compared as the table's own rows.
_HAS_VALUE = (
    "EXISTS (SELECT 1 FROM json_each(items.attributes) AS attribute"
    " WHERE attribute.key = ? AND attribute.value IN (SELECT value FROM json_each(?)))"
)
_IS_OF = "items.item_id IN (SELECT item_id FROM item_sources WHERE catalogue IN (SELECT value FROM json_each(?)))"


def condition(chosen: Filter) -> tuple[str, list[object]]:
    """The condition over the table `items`, removed ones left out, and the values of its question marks."""
    terms, values = ["items.removed_at IS NULL"], list[object]()
    for name, accepted in chosen.values:
        wanted = json.dumps([storable(each) for each in accepted])
        if name == CATALOGUE:
            terms.append(_IS_OF)
            values.append(wanted)
        else:
            terms.append(_HAS_VALUE)
            values += [storable(name), wanted]
    return " AND ".join(terms), values
