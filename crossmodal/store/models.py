"""The models whose embeddings are stored (`store.models`): which is the active one, and which read titles.

Models are kept beside the active one, so that one can go back to them, and a new title makes their embeddings wrong as well. Whether a
model reads titles is remembered for good: its id is that of its content. A model of which it is not known is taken to read titles unless
it is the active one, whose program says so itself: making an embedding again costs a moment, a wrong one would be found for ever.
"""

from collections.abc import Collection

from crossmodal.errors import StoreError
from crossmodal.store.changes import stored_model
from crossmodal.store.database import Connection, Database, get_meta, set_meta
from crossmodal.store.embeddings import drop_of_item, items_without

ACTIVE_MODEL = "active_model"
_YES, _NO = "yes", "no"


class ModelSwitched(StoreError):
    """The collection is searched with another model by now: what was to be written would never be found."""

    def __init__(self, active: str) -> None:
        super().__init__(
            "index_model_mismatch",
            f"The collection is searched with another model by now ({active[:12]}).",
            remedy="Do the same once more; the new model is then used.",
        )


class Models:
    """Models by id. One at a time is active: the one that all processes search with."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def counts(self) -> dict[str, int]:
        """Each model that has embeddings here, with how many items of the collection it covers."""
        # Removed items are few and have their own index: counting them apart saves looking up every item.
        with self._database.reading() as db:
            return dict(
                db.execute(
                    "SELECT model_id, (SELECT COUNT(*) FROM embeddings WHERE embeddings.model_no = models.model_no)"
                    " - (SELECT COUNT(*) FROM items CROSS JOIN embeddings USING (item_id)"
                    " WHERE items.removed_at IS NOT NULL AND embeddings.model_no = models.model_no)"
                    " FROM models ORDER BY model_no"
                ).fetchall()
            )

    def embed_dim(self, model_id: str) -> int:
        """Length of a model's embeddings; 0 when it has none here."""
        with self._database.reading() as db:
            return stored_model(db, model_id)[1]

    def drop(self, model_id: str) -> None:
        """Delete a model's embeddings; a model that has none is fine."""
        with self._database.writing() as db:
            db.execute("DELETE FROM models WHERE model_id = ?", (model_id,))

    def active(self) -> str | None:
        """The active model, None while there is none."""
        with self._database.reading() as db:
            return get_meta(db, ACTIVE_MODEL)

    def activate(self, model_id: str, *, unreadable: Collection[int] = ()) -> bool:
        """Make a model the active one, in one transaction with the proof that no item lacks an embedding of it.

        False, and nothing changed, when one does.

        Args:
            unreadable: ids of items that may lack it, because their stored images cannot be read.
        """
        with self._database.writing() as db:
            lacking = items_without(db, model_id, len(unreadable) + 1)
            if any(item.item_id not in unreadable for item in lacking):
                return False
            set_meta(db, ACTIVE_MODEL, model_id)
            return True

    def set_initial(self, model_id: str, *, instead_of: str | None) -> bool:
        """Make a model the active one, unless another took the place of `instead_of` meanwhile; returns whether it is the active one."""
        with self._database.writing() as db:
            active = get_meta(db, ACTIVE_MODEL)
            if active == instead_of:
                set_meta(db, ACTIVE_MODEL, model_id)
            return active in (instead_of, model_id)

    def set_reads_titles(self, model_id: str, reads_titles: bool) -> None:
        """Remember whether a model's embedding of an item depends on the title: if so, it is dropped when the title changes, to be made
        again, also after another model became active."""
        with self._database.writing() as db:
            set_reads_titles(db, model_id, reads_titles)


def check_active(db: Connection, model_ids: Collection[str]) -> None:
    """Raise `ModelSwitched` unless the active model, if there is one, is among these."""
    active = get_meta(db, ACTIVE_MODEL)
    if active is not None and active not in model_ids:
        raise ModelSwitched(active)


def set_reads_titles(db: Connection, model_id: str, reads_titles: bool) -> None:
    """See `Models.set_reads_titles`."""
    value = _YES if reads_titles else _NO
    if get_meta(db, _key(model_id)) != value:
        set_meta(db, _key(model_id), value)


def drop_outdated(db: Connection, item_id: int, *, title_models: Collection[str] = (), fresh: Collection[str] = ()) -> None:
    """After an item's title changed: delete the embeddings made with the old one, to be made again.

    Args:
        title_models: models that are known to read titles.
        fresh: models whose embedding of the new title is written in the same transaction.
    """
    current = get_meta(db, ACTIVE_MODEL)
    rows = db.execute("SELECT model_id FROM embeddings JOIN models USING (model_no) WHERE item_id = ?", (item_id,)).fetchall()
    outdated = []
    for (model_id,) in rows:
        value = _YES if model_id in title_models else get_meta(db, _key(model_id))
        suspect = value is None and current not in (None, model_id)
        if model_id not in fresh and (value == _YES or suspect):
            outdated.append(model_id)
    if outdated:
        drop_of_item(db, item_id, outdated)


def _key(model_id: str) -> str:
    return f"titles read by model {model_id}"
