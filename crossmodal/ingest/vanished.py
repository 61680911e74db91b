"""Which removed items went because their row had vanished: they come back with it, what a person removed does not."""

import json
from collections.abc import Collection

from crossmodal.catalog import Catalog


class Vanished:
    """The ids of one catalogue's items that were removed for want of their row, remembered in the collection.

    Attributes:
        ids: at the last reading.
    """

    def __init__(self, catalog: Catalog, catalogue: str) -> None:
        self._catalog = catalog
        self._catalogue = catalogue
        self._meta_key = f"vanished from {catalogue}"
        self.ids: frozenset[int] = frozenset(json.loads(catalog.get_meta(self._meta_key) or "[]"))

    def follow_renames(self, keys_present: Collection[str], *, titled: Collection[str] = ()) -> int:
        """Let items whose picture came back under another key be the items they were; returns how many."""
        moved = self._catalog.follow_renames(self._catalogue, keys_present, away=self.ids, titled=titled)
        self.forget(moved)
        return len(moved)

    def remove_missing(self, keys_present: Collection[str]) -> int:
        """Remove items whose key is not present, and remember them; returns how many."""
        removed = self._catalog.remove_missing(self._catalogue, keys_present)
        self._remember(self.ids | set(removed))
        return len(removed)

    def forget(self, returned: Collection[int]) -> None:
        """These items have their row again: if they are removed from now on, a person did it."""
        self._remember(self.ids - set(returned))

    def _remember(self, ids: frozenset[int]) -> None:
        if ids != self.ids:
            self._catalog.set_meta(self._meta_key, json.dumps(sorted(ids)))
            self.ids = ids
