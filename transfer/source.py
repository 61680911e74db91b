"""What an export is taken from: a store, and the model in use only where embeddings are asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from crossmodal.catalog import Catalog


@dataclass(frozen=True, slots=True)
class Source:
    """A collection as exports see it.

    Attributes:
        model: id of the model in use, and the length of its embeddings; asked only by those that write embeddings.
    """

    catalog: Catalog
    model: Callable[[], tuple[str, int]]
