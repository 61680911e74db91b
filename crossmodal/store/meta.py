"""Small settings of the collection itself, as words under keys."""

from crossmodal.store.connections import Connection


def get(db: Connection, key: str) -> str | None:
    """The value under a key, None when there is none."""
    row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def put(db: Connection, key: str, value: str) -> None:
    """Store a value in place of the earlier one."""
    db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))
