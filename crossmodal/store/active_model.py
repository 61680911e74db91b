"""Which model the collection is searched with, as every process sees it, and the one moment in which that changes."""

from collections.abc import Collection

from crossmodal.errors import StoreError
from crossmodal.store import embeddings, meta
from crossmodal.store.connections import Connection

ACTIVE_MODEL = "active_model"


class ModelSwitched(StoreError):
    """The collection is searched with another model by now: what was to be written would never be found."""

    def __init__(self, active: str) -> None:
        super().__init__(
            "index_model_mismatch",
            f"The collection is searched with another model by now ({active[:12]}).",
            remedy="Do the same once more; the new model is then used.",
        )


def activate(db: Connection, model_id: str, *, unreadable: Collection[int] = ()) -> bool:
    """Make a model the active one if every item but the `unreadable` has an embedding of it; otherwise False, and nothing changed."""
    lacking = embeddings.missing(db, model_id, len(unreadable) + 1, after_id=0)
    if any(item.item_id not in unreadable for item in lacking):
        return False
    meta.put(db, ACTIVE_MODEL, model_id)
    return True


def set_initial(db: Connection, model_id: str, *, instead_of: str | None) -> bool:
    """Make a model the active one, unless another took the place of `instead_of` meanwhile; answers whether it is the active one."""
    active = meta.get(db, ACTIVE_MODEL)
    if active == instead_of:
        meta.put(db, ACTIVE_MODEL, model_id)
    return active in (instead_of, model_id)


def check(db: Connection, model_ids: Collection[str]) -> None:
    """Raise `ModelSwitched` unless the active model, if there is one, is among these."""
    active = meta.get(db, ACTIVE_MODEL)
    if active is not None and active not in model_ids:
        raise ModelSwitched(active)
