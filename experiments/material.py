"""What training, evaluating and drawing have in common: a person's settings to data, weights and a model."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from config import Settings
from crossmodal.images.decoder import Decoder
from crossmodal.images.fetch import Fetcher, FetchLimits
from crossmodal.items import Failure
from crossmodal.progress import OnProgress
from datasets import SimpleIndexDataset
from engine.model_loading import load_model
from engine.trained_model import TrainedModel
from experiments.data import TrainingData, read_training_data
from initialize import decode_limits, open_named


@dataclass(frozen=True, slots=True)
class Material:
    """Data of a run, and the rows that could not be used."""

    data: TrainingData
    failures: tuple[Failure, ...]
    catalogue: str


def read_material(
    settings: Settings, location: str | None, *, size: int, max_pictures: int, told: OnProgress, stop: threading.Event | None = None
) -> Material:
    """Pictures with captions of the catalogue at a path, or of this installation's own.

    Raises:
        CatalogueError, TrainingError, Stopped: see `read_training_data`.
    """
    catalogue = open_named(location or settings.catalogue or str(settings.catalogue_path), settings)
    fetcher = Fetcher(
        FetchLimits(timeout_s=settings.fetch_timeout_s, max_bytes=settings.max_image_bytes), allow=settings.fetch_allow
    )
    dataset = SimpleIndexDataset(catalogue, fetch=fetcher.fetch, max_image_bytes=settings.max_image_bytes)
    with _decoder(settings) as decoder:
        data, failures = read_training_data(
            dataset, decoder, settings.cache_dir, size=size, max_pictures=max_pictures, on_progress=told, stop=stop
        )
    return Material(data, tuple(failures), catalogue.label)


@contextmanager
def _decoder(settings: Settings) -> Iterator[Decoder]:
    decoder = Decoder(decode_limits(settings), workers=settings.decode_workers)
    try:
        yield decoder
    finally:
        decoder.close()


def model_at(settings: Settings, path: Path | None) -> TrainedModel:
    """The model in a file or a run folder; without a name the one in use.

    Raises:
        CheckpointError: there is none, or it must not be used.
    """
    chosen = path or settings.model_path
    return load_model(chosen / "model.pth" if chosen.is_dir() else chosen)
