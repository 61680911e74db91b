"""Summary values of the app, for display."""

from dataclasses import dataclass
from pathlib import Path

import torch

from crossmodal.evaluation.metrics import RetrievalFigures
from crossmodal.hub.published import PUBLISHED
from crossmodal.store import Store
from crossmodal.text.cleaning import counted
from crossmodal.training.plan import EpochFigures
from engine.models.trained import TrainedModel

DEMO = "demo"
ADDED = "added"
_NAMES = {"resnet18-gru": "ResNet18 + GRU", "everyday": "Everyday words"}


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The active model, for display. `held_out` is measured on pictures held out from training; None if there were none."""

    model_id: str
    name: str
    weights: str
    weights_note: str
    source: str
    embed_dim: int
    image_size_px: int
    precision: str
    trained_on: int
    trained_at: float
    training_seconds: float
    held_out: RetrievalFigures | None
    history: tuple[EpochFigures, ...]


@dataclass(frozen=True, slots=True)
class ModelGeneration:
    """A model with embeddings or a file here. `path` is its file, None if missing; `active` marks the active model."""

    model_id: str
    name: str
    items_embedded: int
    active: bool
    path: Path | None


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """One source of the collection. `complete`: whether it was last read to the end."""

    name: str
    location: str
    items: int
    failures: int
    complete: bool
    is_demo: bool


@dataclass(frozen=True, slots=True)
class SystemInfo:
    """Overview of the whole system."""

    items: int
    failures: int
    device: str
    data_dir: Path
    model: ModelInfo
    sources: tuple[SourceInfo, ...]


@dataclass(frozen=True, slots=True)
class TrainingEstimate:
    """Whether training on the collection's titles is worthwhile, and its estimated duration on this computer."""

    pictures: int
    seconds: float
    worthwhile: bool
    reason: str


def model_name(model: TrainedModel) -> str:
    """The display name of a model."""
    preset = model.spec.preset
    titles = {f"clip:{entry.repository}": entry.title for entry in PUBLISHED}
    name = _NAMES.get(preset) or titles.get(preset, preset)
    return f"{name}, with titles" if preset in titles and model.spec.item_embedding == "hybrid" else name


def model_info(model: TrainedModel) -> ModelInfo:
    """Describe a model: its card and spec."""
    card, spec = model.card, model.spec
    return ModelInfo(
        model_id=model.model_id,
        name=model_name(model),
        weights=card.weights,
        weights_note=card.weights_note,
        source=card.catalogue,
        embed_dim=spec.embed_dim,
        image_size_px=spec.image_size_px,
        precision=model.precision,
        trained_on=card.trained_on,
        trained_at=card.trained_at,
        training_seconds=card.training_seconds,
        held_out=card.held_out,
        history=card.history,
    )


def source_infos(store: Store) -> tuple[SourceInfo, ...]:
    """All sources with their counts; items added by hand count as one source."""
    read = [
        SourceInfo(entry.name, entry.location, entry.items, entry.failures, entry.completed_at is not None, entry.name == DEMO)
        for entry in store.sources.all()
    ]
    by_hand = store.items.count(source=ADDED)
    if by_hand:
        read.append(SourceInfo(ADDED, "added by hand", by_hand, 0, complete=True, is_demo=False))
    return tuple(read)


def device_text() -> str:
    """Description of the compute device."""
    return f"CPU, {counted(torch.get_num_threads(), 'thread')}"
