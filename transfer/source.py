"""What an export is taken from: a store, and the model in use only where embeddings are asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossmodal.catalog import Catalog
from crossmodal.catalog.active import ACTIVE_MODEL
from crossmodal.errors import StoreError

if TYPE_CHECKING:
    from upkeep.live_app import LiveApp


@dataclass(frozen=True, slots=True)
class Source:
    """A collection as exports see it.

    Attributes:
        model: id of the model in use, and the length of its embeddings; asked only by those that write embeddings.
    """

    catalog: Catalog
    model: Callable[[], tuple[str, int]]

    @classmethod
    def of(cls, app: LiveApp) -> Source:
        """What an app has open."""

        def model() -> tuple[str, int]:
            used = app.generation().model
            return used.model_id, used.spec.embed_dim

        return cls(app.catalog, model)

    @classmethod
    def of_store(cls, catalog: Catalog) -> Source:
        """What a store holds, which says itself which model is in use: no model is loaded.

        Asking for the model raises StoreError `index_model_mismatch` where there is no embedding of it.
        """

        def model() -> tuple[str, int]:
            known = list(catalog.models())
            # Collections that only former versions' shell filled do not say it, and have embeddings of one model alone.
            model_id = catalog.get_meta(ACTIVE_MODEL) or (known[0] if len(known) == 1 else "")
            if model_id not in known:
                what = "No item has an embedding of the model in use."
                raise StoreError("index_model_mismatch", what, remedy="Make them: python cli.py index --mend")
            return model_id, catalog.embed_dim(model_id)

        return cls(catalog, model)
