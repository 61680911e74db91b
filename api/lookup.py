"""Which item a client means: by our id, by the name of the file it came from, or by its place."""

import re

from crossmodal.errors import QueryError
from crossmodal.items import Item
from upkeep.live_app import LiveApp

_ID = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


def item_called(app: LiveApp, name: str) -> Item:
    """The item with this id, or the only one whose source ends in this file name.

    Raises:
        QueryError: `not_found`, also for a name that several items share.
    """
    if _ID.fullmatch(name):
        return app.item(int(name))
    found = app.catalog.named(name, limit=2)
    if len(found) == 1:
        return found[0]
    if found:
        what = f"Several items come from a file named {name!r:.60}."
        raise QueryError("not_found", what, remedy="Name the one you mean by its id.")
    raise QueryError("not_found", f"There is no picture {name!r:.60} in the collection.", remedy="It may have been removed.")


def restored(app: LiveApp, name: str) -> Item:
    """A removed item, brought back, by its id; one that is there already stays as it is, by whichever name.

    Raises:
        QueryError: `not_found`.
    """
    return app.restore_item(int(name)) if _ID.fullmatch(name) else item_called(app, name)


def item_at(app: LiveApp, place: int) -> Item:
    """The item at a place of the list of all items, oldest first, from 0. Raises QueryError `not_found`."""
    found = app.catalog.at(place)
    if found is None:
        raise QueryError("not_found", f"There is no picture at place {place} of the collection.", remedy="Name it by its id.")
    return found
