"""What a damaged file still says of where its items came from. Nothing is written, neither to the file nor beside it."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple


class Origins(NamedTuple):
    """Where the items of a collection came from.

    Attributes:
        catalogues: name and location of each catalogue, in the order they were added.
        by_hand: how many items came from no catalogue.
    """

    sources: list[tuple[str, str]]
    by_hand: int


def origins(path: Path) -> Origins | None:
    """As far as it can be read; None when it cannot."""
    sql = "SELECT COUNT(*) FROM items WHERE removed_at IS NULL AND catalogue NOT IN (SELECT name FROM catalogues)"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)) as db:
            rows = db.execute("SELECT name, location FROM catalogues ORDER BY added_at, name").fetchall()
            by_hand = db.execute(sql).fetchone()[0]
    except (sqlite3.Error, ValueError):  # text that is not UTF-8 any more is a ValueError
        return None
    return Origins([(str(name), str(location)) for name, location in rows], int(by_hand))
