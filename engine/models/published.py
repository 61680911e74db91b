"""Published models as models of a collection: built of their files, which stay where they are, and timed on this computer."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from crossmodal.backbones.clip import repository_of
from crossmodal.hub.download import arrived_bytes, present
from crossmodal.hub.published import PUBLISHED, Published, published
from crossmodal.store import Store
from engine.models.build import WeightsRequest, as_published, assemble
from engine.models.trained import TrainedModel
from training.presets import preset_named

_PREFIX = "clip:"
_TIMED_PICTURES, _ROUNDS = 8, 3


@dataclass(frozen=True, slots=True)
class PublishedState:
    """A published model and how it stands on this computer.

    Attributes:
        here: its files are complete.
        arrived_bytes: of an unfinished download.
        pictures_per_s: measured on this computer; None before.
        in_use: it is the collection's active model.
    """

    model: Published
    here: bool
    arrived_bytes: int
    pictures_per_s: float | None
    in_use: bool


def published_states(home: Path, store: Store | None, *, active_preset: str) -> list[PublishedState]:
    """All published models in the order of their list.

    Args:
        home: folder of the weights.
        store: the collection that knows the measured speeds; None if there is none.
        active_preset: preset of the active model.
    """
    return [
        PublishedState(
            model=model,
            here=present(model.repository, home) is not None,
            arrived_bytes=arrived_bytes(model.repository, home),
            pictures_per_s=_speed(store, model.repository),
            in_use=active_preset == f"{_PREFIX}{model.repository}",
        )
        for model in PUBLISHED
    ]


def repository_named(name: str) -> str:
    """The repository of a published model by its name or its last part; any other `ORGANISATION/NAME` as it is.

    Raises:
        QueryError: `bad_request`.
    """
    plain = name.removeprefix(_PREFIX)
    if "/" in plain:
        return repository_of(f"{_PREFIX}{plain}")
    return published(plain).repository


def build_published(repository: str, home: Path, *, folder: Path | None = None) -> TrainedModel:
    """The model of a repository whose files are here. It encodes pictures alone, and its weights are mapped from the files.

    Args:
        home: folder of the weights and their records.
        folder: where its files lie; None means the repository's folder in `home`.

    Raises:
        WeightsError: the files are missing, damaged or of another kind.
    """
    preset = replace(preset_named(f"{_PREFIX}{repository}"), item_embedding="image")
    assembled = assemble(preset, WeightsRequest(folder=home, image=folder, text=folder, download=False))
    known = next((model for model in PUBLISHED if model.repository == repository), None)
    note = f"{known.title}, {known.licence}, {known.page}" if known is not None else repository
    return as_published(assembled, note=note, catalogue="")


def measure_speed(model: TrainedModel, store: Store, repository: str, *, clock: Callable[[], float] = time.perf_counter) -> float:
    """Time batches of random pictures and remember the best for `published_states`. Returns pictures per second, without decoding."""
    side = model.spec.image_size_px
    pixels = np.random.default_rng(0).integers(0, 256, (_TIMED_PICTURES, side, side, 3), np.uint8)
    model.encode_pixels(pixels)  # builds the network and starts its threads
    seconds = []
    for _ in range(_ROUNDS):
        began = clock()
        model.encode_pixels(pixels)
        seconds.append(clock() - began)
    rate = _TIMED_PICTURES / max(min(seconds), 1e-9)
    store.meta.set(_speed_key(repository), f"{rate:.4g}")
    return rate


def _speed(store: Store | None, repository: str) -> float | None:
    stored = store.meta.get(_speed_key(repository)) if store is not None else None
    try:
        return float(stored) if stored else None
    except ValueError:
        return None


def _speed_key(repository: str) -> str:
    return f"pictures per second of {repository}"
