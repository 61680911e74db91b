"""Which models find an item by its title, too, and what becomes of their embeddings when the title changes.

Models are kept beside the one in use, so that one can go back to them, and a new title makes their embeddings wrong as well. What the
store was told of a model counts for ever: its id is that of its content. One it was told nothing of is thought to read titles unless it
is the active one, whose program says so: to make an embedding again costs a moment, a wrong one would be found for ever.
"""

from collections.abc import Collection

from crossmodal.store import active_model, embeddings, meta
from crossmodal.store.connections import Connection

_YES, _NO = "yes", "no"


def note(db: Connection, model_id: str, *, reads_titles: bool) -> None:
    """Remember whether a model's embedding of an item depends on the title."""
    said = _YES if reads_titles else _NO
    if meta.get(db, _key(model_id)) != said:
        meta.put(db, _key(model_id), said)


def drop_outdated(db: Connection, item_id: int, *, titled: Collection[str] = (), fresh: Collection[str] = ()) -> None:
    """After an item's title changed: delete the embeddings that say the old one, to be made again.

    Args:
        titled: models that are known to read titles.
        fresh: models whose embedding of the new title is written in the same transaction.
    """
    current = meta.get(db, active_model.ACTIVE_MODEL)
    rows = db.execute("SELECT model_id FROM embeddings JOIN models USING (model_no) WHERE item_id = ?", (item_id,)).fetchall()
    outdated = []
    for (model_id,) in rows:
        said = _YES if model_id in titled else meta.get(db, _key(model_id))
        suspect = said is None and current not in (None, model_id)
        if model_id not in fresh and (said == _YES or suspect):
            outdated.append(model_id)
    if outdated:
        embeddings.drop_of_item(db, item_id, outdated)


def _key(model_id: str) -> str:
    return f"titles read by model {model_id}"
