"""A trained system ready for use: pixels and texts to embeddings, with the card that says how it came to be."""

import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from crossmodal.backbones.pooling import POOLINGS
from crossmodal.backbones.resnet import Weights
from crossmodal.backbones.undrawn import undrawn
from crossmodal.catalog.checksums import UNIT_TOLERANCE
from crossmodal.errors import CheckpointError, CrossmodalError
from crossmodal.evaluation.metrics import RetrievalFigures
from crossmodal.inference import InferenceNetwork
from crossmodal.items import Embedding, Pixels
from crossmodal.text.cleaning import plain_text, words
from crossmodal.text.tokenizer import TOKENIZER_VERSION
from crossmodal.threads import ALL_THREADS, torch_threads
from crossmodal.training.checkpoints import check_state, load_checkpoint, save_checkpoint
from crossmodal.training.trainer import EpochFigures, evaluating
from encoders import GRU, RESNET18, ImageEncoder, TextEncoder, TowerSpec
from system import LostFoundSystem

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

DEFAULT_PRESET = "resnet18-gru"
ITEM_EMBEDDINGS = ("image", "hybrid")
SIZES = {"embed_dim": (8, 4096), "vocab_size": (256, 2**20), "image_size_px": (16, 1024), "max_text_tokens": (1, 512)}
"""Least and most of each size that a saved model may name."""

_BATCH = 32
_TEXTS = 256
_LEAST = 1e-12
_MOST_HIDDEN = 8
_HUGE = 1e18
_RETRAIN = "Delete the file to train anew."
Filled = TypeVar("Filled", bound="DataclassInstance")


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What must agree between two runs for a model's numbers to mean the same.

    Attributes:
        embed_dim: length of an embedding.
        vocab_size, max_text_tokens: of the hashing tokenizer, where the text side is the GRU.
        image_size_px: side of the pictures it reads.
        preset: the name it was asked for by.
        image, text: the two towers.
        item_embedding: `image`, or `hybrid`: an item is found by the mean of its picture's embedding and its title's.
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
        ImageEncoder(spec.embed_dim, weights=weights, spec=spec.image),
        TextEncoder(spec.embed_dim, vocab_size=spec.vocab_size, max_tokens=spec.max_text_tokens, spec=spec.text),
    )


class TrainedModel:
    """A system in evaluation mode, its spec, its card and its id."""

    def __init__(self, system: LostFoundSystem, spec: ModelSpec, card: ModelCard, *, model_id: str) -> None:
        self.system = system.eval().requires_grad_(False)
        self.spec = spec
        self.card = card
        self.model_id = model_id
        self._making = threading.Lock()
        self._made: InferenceNetwork | None = None

    def encode_pixels(self, pixels: Pixels) -> Embedding:
        """Shape: (n, size, size, 3) uint8 → (n, embed_dim) float32 of length 1; n = 0 gives (0, embed_dim)."""
        if len(pixels) == 0:
            return np.zeros((0, self.spec.embed_dim), np.float32)
        inputs = self.system.image_encoder.inputs
        with torch_threads(1 if len(pixels) == 1 else ALL_THREADS):
            network = self._network()
            parts = [network(inputs(pixels[i : i + _BATCH])) for i in range(0, len(pixels), _BATCH)]
        return torch.cat(parts).numpy()

    def encode_texts(self, texts: Sequence[str]) -> Embedding:
        """Shape: n texts → (n, embed_dim) float32 of length 1; the same to the bit on any number of cores."""
        if not texts:
            return np.zeros((0, self.spec.embed_dim), np.float32)
        parts = [texts[i : i + _TEXTS] for i in range(0, len(texts), _TEXTS)]
        with torch_threads(1), evaluating(self.system):
            return torch.cat([self.system.encode_text(part) for part in parts]).numpy()

    def encode_items(self, pixels: Pixels, titles: Sequence[str]) -> Embedding:
        """What items are found by: their pictures, or for a hybrid model the mean of picture and title, at length 1.

        The mean is that of system 002's reference: both have length 1, so each says as much. A title is cleaned as every other text is
        (`encoding.encoded_texts`); an item whose title then shows nothing has its picture only.

        Shape: (n, size, size, 3) uint8 and n titles → (n, embed_dim) float32.
        """
        seen = self.encode_pixels(pixels)
        plain = [plain_text(title) for title in titles]
        said = [place for place, title in enumerate(plain) if words(title)]
        if self.spec.item_embedding != "hybrid" or not said:
            return seen
        seen[said] += self.encode_texts([plain[place] for place in said])
        mixed: Embedding = seen / np.maximum(np.linalg.norm(seen, axis=1, keepdims=True), _LEAST)
        return mixed

    @property
    def image_input_dim(self) -> int:
        """Length of what the picture network hands to the head that makes the embedding."""
        return self.system.image_encoder.backbone.features

    @property
    def text_input_dim(self) -> int:
        """The same of the text network."""
        return self.system.text_encoder.backbone.features

    @property
    def precision(self) -> str:
        """Number format of picture encoding on this processor: `float32` or `bfloat16`."""
        return self._network().precision

    def _network(self) -> InferenceNetwork:
        """Made with the first picture: whoever searches by words only never pays for it."""
        with self._making:
            if self._made is None:
                self._made = InferenceNetwork(self.system.image_encoder, image_size_px=self.spec.image_size_px)
            return self._made

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
        StoreError, MemoryError: it could not be read, which says nothing against it.
    """
    checkpoint = load_checkpoint(path)
    try:
        spec = _spec(checkpoint.details["spec"])
        card = _card(checkpoint.details["card"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            "checkpoint_invalid", f"The model file {path.name} does not say how it was made.", remedy=_RETRAIN
        ) from error
    _check_spec(path, spec)
    try:
        with torch.device("meta"), undrawn():  # shapes only: nothing is drawn or stored for a network that may be refused
            system = _assemble(spec)
    except CrossmodalError as error:
        raise CheckpointError("checkpoint_invalid", f"The model file {path.name}: {error}", remedy=_RETRAIN) from error
    check_state(path, checkpoint.state, system.state_dict())
    system.load_state_dict(checkpoint.state, assign=True)
    system.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's types leave it out
    model = TrainedModel(system, spec, card, model_id=checkpoint.model_id)
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
    if spec.item_embedding not in ITEM_EMBEDDINGS:
        raise CheckpointError(
            "checkpoint_invalid",
            f"The model file {path.name} finds items by {spec.item_embedding!r:.40}; known are {', '.join(ITEM_EMBEDDINGS)}.",
            remedy=_RETRAIN,
        )


def _check_answers(path: Path, model: TrainedModel) -> None:
    """Numbers that are each fine may still come to nothing together: look at one text and one picture."""
    grey = np.full((1, model.spec.image_size_px, model.spec.image_size_px, 3), 128, np.uint8)
    with torch_threads(1), evaluating(model.system):
        seen = model.system.encode_image(model.system.image_encoder.inputs(grey)).numpy()
    lengths = np.linalg.norm(np.concatenate([model.encode_texts(["a red mug"]), seen]), axis=1)
    if not np.allclose(lengths, 1.0, atol=UNIT_TOLERANCE):
        raise CheckpointError(
            "checkpoint_invalid", f"The model file {path.name} gives embeddings that are no unit vectors.", remedy=_RETRAIN
        )


def _spec(details: dict[str, Any]) -> ModelSpec:
    towers = {side: _tower(details[side]) for side in ("image", "text")}
    return _filled(ModelSpec, {**details, **towers})


def _tower(details: dict[str, Any]) -> TowerSpec:
    hidden = tuple(details["hidden"])
    if len(hidden) > _MOST_HIDDEN or not all(type(size) is int and 1 <= size <= SIZES["embed_dim"][1] for size in hidden):
        raise ValueError("hidden")
    tower = _filled(TowerSpec, {**details, "hidden": hidden})
    if not isinstance(tower.config, dict) or tower.pooling not in POOLINGS or not 0.0 <= tower.dropout < 1.0:
        raise ValueError("tower")
    return tower


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
        if any(field.type is kind_of and not isinstance(value, kind_of) for kind_of in (int, str, bool)):
            raise TypeError(field.name)
    return kind(**values)
