"""Rows of sources that did not become items, each with its reason, until they do (`store.failures`)."""

import time
from collections.abc import Iterable, Sequence

from crossmodal.items import Failure
from crossmodal.store.database import Connection, Database
from crossmodal.store.rows import storable


class Failures:
    """One failure a key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, failures: Sequence[Failure]) -> None:
        """Store failures; a key that failed before counts the attempts together and takes the new reason."""
        with self._database.writing() as db:
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

    def all(self, source: str | None = None) -> list[Failure]:
        """All failures, or one source's, in the order of their keys."""
        sql = "SELECT key, catalogue, location, title, code, reason, remedy, attempts, failed_at FROM failures"
        where, values = ("", ()) if source is None else (" WHERE catalogue = ?", (storable(source),))
        with self._database.reading() as db:
            return [Failure(*row) for row in db.execute(f"{sql}{where} ORDER BY key", values)]

    def clear(self, keys: Iterable[str]) -> None:
        """Delete failures; keys without one are fine."""
        with self._database.writing() as db:
            clear(db, keys)


def clear(db: Connection, keys: Iterable[str]) -> None:
    """See `Failures.clear`."""
    db.executemany("DELETE FROM failures WHERE key = ?", [(storable(key),) for key in keys])
