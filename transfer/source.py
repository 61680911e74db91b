"""What an export is taken from: a store, and the model in use only where embeddings are asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossmodal.catalog import Catalog

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
