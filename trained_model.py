"""A trained system ready for use: pixels and texts to embeddings, with the card that says how it came to be."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from crossmodal.backbones.resnet import Weights
from crossmodal.errors import CheckpointError
from crossmodal.evaluation.metrics import RetrievalFigures
from crossmodal.images.transforms import to_model_input
from crossmodal.inference import InferenceNetwork
from crossmodal.items import Embedding, Pixels
from crossmodal.text.tokenizer import TOKENIZER_VERSION
from crossmodal.threads import ALL_THREADS, torch_threads
from crossmodal.training.checkpoints import check_state, load_checkpoint, save_checkpoint
from crossmodal.training.trainer import EpochFigures, evaluating
from encoders import ImageEncoder, TextEncoder
from system import LostFoundSystem

SIZES = {"embed_dim": (8, 4096), "vocab_size": (256, 2**20), "image_size_px": (16, 1024), "max_text_tokens": (1, 512)}
"""Least and most of each size that a saved model may name."""

_BATCH = 32
_HUGE = 1e18
_RETRAIN = "Delete the file to train anew."
Filled = TypeVar("Filled")


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What must agree between two runs for a model's numbers to mean the same."""

    embed_dim: int
    vocab_size: int
    max_text_tokens: int
    image_size_px: int
    tokenizer_version: str = TOKENIZER_VERSION


@dataclass(frozen=True, slots=True)
class ModelCard:
    """How a model came to be and how well it finds pictures it never saw.

    Attributes:
        weights: `ImageNet weights` or `random weights`; `weights_note` says which file, or why not.
        trained_on: pictures it learned from; `trained_at` in seconds since 1970.
        held_out: text → image among pictures kept out of training; None when there were none.
        catalogue: name of what it was trained on.
    """

    weights: str
    weights_note: str
    catalogue: str
    trained_on: int
    trained_at: float
    training_seconds: float
    held_out: RetrievalFigures | None
    history: tuple[EpochFigures, ...]


def build_untrained(spec: ModelSpec, *, weights: Weights | None = None, seed: int = 0) -> LostFoundSystem:
    """Both encoders and the temperature, not yet trained; the same numbers for the same seed."""
    torch.manual_seed(seed)
    return _assemble(spec, weights)


def _assemble(spec: ModelSpec, weights: Weights | None = None) -> LostFoundSystem:
    return LostFoundSystem(
        ImageEncoder(spec.embed_dim, weights=weights),
        TextEncoder(spec.embed_dim, vocab_size=spec.vocab_size, max_tokens=spec.max_text_tokens),
    )


class TrainedModel:
    """A system in evaluation mode, its spec, its card and its id."""

    def __init__(self, system: LostFoundSystem, spec: ModelSpec, card: ModelCard, *, model_id: str) -> None:
        self.system = system.eval().requires_grad_(False)
        self.spec = spec
        self.card = card
        self.model_id = model_id
        self._network = InferenceNetwork(system.image_encoder, image_size_px=spec.image_size_px)

    def encode_pixels(self, pixels: Pixels) -> Embedding:
        """Shape: (n, size, size, 3) uint8 → (n, embed_dim) float32 of length 1; n = 0 gives (0, embed_dim)."""
        if len(pixels) == 0:
            return np.zeros((0, self.spec.embed_dim), np.float32)
        with torch_threads(1 if len(pixels) == 1 else ALL_THREADS):
            parts = [self._network(to_model_input(pixels[i : i + _BATCH])) for i in range(0, len(pixels), _BATCH)]
        return torch.cat(parts).numpy()

    def encode_texts(self, texts: Sequence[str]) -> Embedding:
        """Shape: n texts → (n, embed_dim) float32 of length 1; the same to the bit on any number of cores."""
        with torch_threads(1), evaluating(self.system):
            return self.system.encode_text(texts).numpy()

    @property
    def precision(self) -> str:
        """Number format of picture encoding on this processor: `float32` or `bfloat16`."""
        return self._network.precision

    def save(self, path: Path) -> "TrainedModel":
        """Write the model; the answer is this model under the id of what was written.

        Raises:
            CheckpointError: a weight is not finite.
            StoreError: the disk is full or read-only; a former file is untouched.
        """
        details = {"spec": asdict(self.spec), "card": asdict(self.card)}
        saved = save_checkpoint(path, self.system.state_dict(), details)
        self.model_id = saved.model_id
        return self


def load_model(path: Path) -> TrainedModel:
    """The model in a file, checked in every way before use.

    Raises:
        CheckpointError: the file is missing, damaged, of another network or another tokenizer; the message says which.
    """
    checkpoint = load_checkpoint(path)
    try:
        spec = _filled(ModelSpec, checkpoint.details["spec"])
        card = _card(checkpoint.details["card"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            "checkpoint_invalid", f"The model file {path.name} does not say how it was made.", remedy=_RETRAIN
        ) from error
    _check_spec(path, spec)
    with torch.device("meta"):  # shapes only: nothing is drawn or stored for a network that may be refused
        system = _assemble(spec)
    check_state(path, checkpoint.state, system.state_dict())
    system.load_state_dict(checkpoint.state, assign=True)
    model = TrainedModel(system.to(memory_format=torch.channels_last), spec, card, model_id=checkpoint.model_id)
    _check_answers(path, model)
    return model


def _check_spec(path: Path, spec: ModelSpec) -> None:
    if spec.tokenizer_version != TOKENIZER_VERSION:
        raise CheckpointError(
            "checkpoint_invalid",
            f"The model file {path.name} is of tokenizer {spec.tokenizer_version!r:.60}; this program has {TOKENIZER_VERSION}.",
            remedy=_RETRAIN,
        )
    if not all(least <= getattr(spec, name) <= most for name, (least, most) in SIZES.items()):
        raise CheckpointError("checkpoint_invalid", f"The model file {path.name} names impossible sizes: {spec}.", remedy=_RETRAIN)


def _check_answers(path: Path, model: TrainedModel) -> None:
    """Numbers that are each fine may still come to nothing together: look at one text and one picture."""
    grey = np.full((1, model.spec.image_size_px, model.spec.image_size_px, 3), 128, np.uint8)
    lengths = np.linalg.norm(np.concatenate([model.encode_texts(["a red mug"]), model.encode_pixels(grey)]), axis=1)
    if not np.allclose(lengths, 1.0, atol=1e-3):
        raise CheckpointError(
            "checkpoint_invalid", f"The model file {path.name} gives embeddings that are no unit vectors.", remedy=_RETRAIN
        )


def _card(details: dict[str, Any]) -> ModelCard:
    held_out = details["held_out"]
    figures = {
        "held_out": _filled(RetrievalFigures, held_out) if held_out is not None else None,
        "history": tuple(_filled(EpochFigures, entry) for entry in details["history"]),
    }
    return _filled(ModelCard, {**details, **figures})


def _filled(kind: type[Filled], values: dict[str, Any]) -> Filled:
    """A frozen dataclass from JSON: texts where it has texts, numbers of bearable size where it has numbers.

    Raises:
        KeyError, TypeError, ValueError: a field is missing, unknown or of another type.
    """
    for field in fields(kind):
        value = values[field.name]
        if field.type in (int, float) and (isinstance(value, bool) or not -_HUGE < value < _HUGE):
            raise ValueError(field.name)
        if (field.type is int and not isinstance(value, int)) or (field.type is str and not isinstance(value, str)):
            raise TypeError(field.name)
    return kind(**values)
