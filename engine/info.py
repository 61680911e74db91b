"""What the app tells about itself: frozen values for the doors to show."""

from dataclasses import dataclass
from pathlib import Path

import torch

from crossmodal.evaluation.metrics import RetrievalFigures
from crossmodal.store import Store
from crossmodal.text.cleaning import counted
from crossmodal.training.trainer import EpochFigures
from engine.models.trained import TrainedModel

DEMO = "demo"
ADDED = "added"
_NAMES = {"resnet18-gru": "ResNet18 + GRU"}


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The model in use, for a person. `held_out` is measured on pictures it never saw; None when there were none."""

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
    """A model of which something is kept here. `path` is its file, None when it lies here no more; `active` is the one in use."""

    model_id: str
    name: str
    items_embedded: int
    active: bool
    path: Path | None


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """One source of the collection. `complete` says whether its last reading came to the end."""

    name: str
    location: str
    items: int
    failures: int
    complete: bool
    is_demo: bool


@dataclass(frozen=True, slots=True)
class SystemInfo:
    """The whole system at a glance."""

    items: int
    failures: int
    device: str
    data_dir: Path
    model: ModelInfo
    sources: tuple[SourceInfo, ...]


@dataclass(frozen=True, slots=True)
class TrainingEstimate:
    """Whether training on the collection's own titles makes sense, and how long it would take on this computer."""

    pictures: int
    seconds: float
    worthwhile: bool
    reason: str


def model_name(model: TrainedModel) -> str:
    """What a person calls the model."""
    return _NAMES.get(model.spec.preset, model.spec.preset)


def model_info(model: TrainedModel) -> ModelInfo:
    """The card of a model together with what it is."""
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
    """Every source of the collection with its counts; what was added by hand counts as one."""
    read = [
        SourceInfo(entry.name, entry.location, entry.items, entry.failures, entry.completed_at is not None, entry.name == DEMO)
        for entry in store.sources.all()
    ]
    by_hand = store.items.count(source=ADDED)
    if by_hand:
        read.append(SourceInfo(ADDED, "added by hand", by_hand, 0, complete=True, is_demo=False))
    return tuple(read)


def device_text() -> str:
    """What computes, in words."""
    return f"CPU, {counted(torch.get_num_threads(), 'thread')}"
