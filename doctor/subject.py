"""What is examined: where an installation lies, and what of it could be opened."""

from dataclasses import dataclass
from pathlib import Path

from crossmodal.catalog import Catalog
from crossmodal.images.decoder import Decoder
from engine.trained_model import TrainedModel


@dataclass(frozen=True, slots=True)
class Place:
    """Where an installation lies. `project` holds requirements.txt and the program."""

    project: Path
    data_dir: Path
    catalog_path: Path
    index_path: Path
    model_path: Path


@dataclass(slots=True)
class Subject:
    """An installation under examination.

    Attributes:
        catalog: the store, once it was found sound enough to be opened; None otherwise.
        model: the model, once it was found usable; None otherwise.
    """

    place: Place
    decoder: Decoder
    catalog: Catalog | None = None
    model: TrainedModel | None = None
