"""Rows of catalogues that did not become items, each with its reason, until they do."""

import time
from collections.abc import Iterable, Sequence

from crossmodal.items import Failure
from crossmodal.store.connections import Connection
from crossmodal.store.items import storable


def record(db: Connection, failures: Sequence[Failure]) -> None:
    """Store failures; a key that failed before counts one attempt more and takes the new reason."""
    now = time.time()
    db.executemany(
        "INSERT INTO failures (key, catalogue, location, title, code, reason, remedy, attempts, failed_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (key) DO UPDATE SET catalogue = excluded.catalogue, location = excluded.location, title = excluded.title,"
        " code = excluded.code, reason = excluded.reason, remedy = excluded.remedy, failed_at = excluded.failed_at,"
        " attempts = failures.attempts + excluded.attempts",
        [
            (
                *map(storable, (row.key, row.source, row.location, row.title, row.code, row.reason, row.remedy)),
                row.attempts,
                row.failed_at or now,
            )
            for row in failures
        ],
    )


def listed(db: Connection, *, source: str | None) -> list[Failure]:
    """All failures, or one catalogue's, in the order of their keys."""
    sql = "SELECT key, catalogue, location, title, code, reason, remedy, attempts, failed_at FROM failures"
    rows = (
        db.execute(f"{sql} ORDER BY key")
        if source is None
        else db.execute(f"{sql} WHERE catalogue = ? ORDER BY key", (storable(source),))
    )
    return [Failure(*row) for row in rows]


def clear(db: Connection, keys: Iterable[str]) -> None:
    """Forget failures; keys without one are fine."""
    db.executemany("DELETE FROM failures WHERE key = ?", [(storable(key),) for key in keys])
