"""The specification and training record of a model, as stored in its file."""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

from crossmodal.backbones.layers import POOLINGS
from crossmodal.evaluation.metrics import RetrievalFigures
from crossmodal.items import Fit
from crossmodal.text.tokenizer import TOKENIZER_VERSION
from crossmodal.training.plan import EpochFigures
from encoders import GRU, RESNET18, TowerSpec

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

DEFAULT_PRESET = "resnet18-gru"
ITEM_EMBEDDINGS = ("image", "hybrid")
SIZES = {"embed_dim": (8, 4096), "vocab_size": (256, 2**20), "image_size_px": (16, 1024), "max_text_tokens": (1, 512)}
"""Allowed range of each size in a model file."""

_MOST_HIDDEN = 8
_HUGE = 1e18
Filled = TypeVar("Filled", bound="DataclassInstance")


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Everything that must match for a model's weights to be usable.

    Attributes:
        embed_dim: dimension of an embedding.
        vocab_size, max_text_tokens: settings of the hashing tokenizer, if the text encoder is the GRU.
        image_size_px: side of its input pictures.
        preset: name of its preset.
        image, text: the two towers.
        item_embedding: `image`, or `hybrid`: an item's embedding is the mean of those of its picture and its title.
    """

    embed_dim: int
    vocab_size: int
    max_text_tokens: int
    image_size_px: int
    tokenizer_version: str = TOKENIZER_VERSION
    preset: str = DEFAULT_PRESET
    image: TowerSpec = RESNET18
    text: TowerSpec = GRU
    item_embedding: str = "image"

    @property
    def fit(self) -> Fit:
        """How a picture becomes its input; a setting of the image backbone, which checks it."""
        fit: Fit = self.image.config.get("fit", "crop")
        return fit


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Training record of a model and its evaluation on held-out pictures.

    Attributes:
        weights: `ImageNet weights` or `random weights`; `weights_note` gives the file or the reason.
        trained_on: number of training pictures.
        trained_at: Unix time in seconds.
        held_out: text → image metrics on held-out pictures; None if there were none.
        catalogue: name of the training source.
    """

    weights: str
    weights_note: str
    catalogue: str
    trained_on: int
    trained_at: float
    training_seconds: float
    held_out: RetrievalFigures | None
    history: tuple[EpochFigures, ...]


def spec_of(details: dict[str, Any]) -> ModelSpec:
    """Parse the spec of a model file. Raises KeyError, TypeError or ValueError if it is invalid."""
    towers = {side: _tower(details[side]) for side in ("image", "text")}
    return _filled(ModelSpec, {**details, **towers})


def card_of(details: dict[str, Any]) -> ModelCard:
    """Parse the card of a model file. Raises KeyError, TypeError or ValueError if it is invalid."""
    held_out = details["held_out"]
    figures = {
        "held_out": _filled(RetrievalFigures, held_out) if held_out is not None else None,
        "history": tuple(_filled(EpochFigures, entry) for entry in details["history"]),
    }
    return _filled(ModelCard, {**details, **figures})


def _tower(details: dict[str, Any]) -> TowerSpec:
    hidden = tuple(details["hidden"])
    if len(hidden) > _MOST_HIDDEN or not all(type(size) is int and 1 <= size <= SIZES["embed_dim"][1] for size in hidden):
        raise ValueError("hidden")
    tower = _filled(TowerSpec, {**details, "hidden": hidden})
    if not isinstance(tower.config, dict) or tower.pooling not in POOLINGS or not 0.0 <= tower.dropout < 1.0:
        raise ValueError("tower")
    return tower


def _filled(kind: type[Filled], values: dict[str, Any]) -> Filled:
    """Build a frozen dataclass from JSON, with checked types and bounded numbers.

    Raises:
        KeyError, TypeError, ValueError: a field is missing, unknown or of another type.
    """
    for field in fields(kind):
        value = values[field.name]
        if field.type in (int, float) and (isinstance(value, bool) or not -_HUGE < value < _HUGE):
            raise ValueError(field.name)
        if any(field.type is kind_of and not isinstance(value, kind_of) for kind_of in (int, str, bool)):
            raise TypeError(field.name)
    return kind(**values)
