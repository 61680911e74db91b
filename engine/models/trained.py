"""A trained model for inference: encodes pixels and texts, and carries its spec and training record."""

import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from crossmodal.backbones.resnet import Weights
from crossmodal.items import Embedding, Pixels
from crossmodal.runtimes.openvino import OpenVINONetwork, openvino_network
from crossmodal.runtimes.torch import ALL_THREADS, InferenceNetwork, torch_threads
from crossmodal.text.cleaning import plain_text, words
from crossmodal.training.checkpoints import save_checkpoint
from crossmodal.training.trainer import evaluating
from encoders import ImageEncoder, TextEncoder
from engine.models.spec import ModelCard, ModelSpec
from system import LostFoundSystem

_BATCH = 32
_TEXTS = 256
_LEAST = 1e-12


def build_untrained(spec: ModelSpec, *, weights: Weights | None = None, seed: int = 0) -> LostFoundSystem:
    """Build both encoders and the temperature, untrained; deterministic for a seed."""
    torch.manual_seed(seed)
    return assemble(spec, weights)


def assemble(spec: ModelSpec, weights: Weights | None = None) -> LostFoundSystem:
    """Build both encoders and the temperature with torch's current random state."""
    return LostFoundSystem(
        ImageEncoder(spec.embed_dim, weights=weights, spec=spec.image),
        TextEncoder(spec.embed_dim, vocab_size=spec.vocab_size, max_tokens=spec.max_text_tokens, spec=spec.text),
    )


def outside_state(system: LostFoundSystem) -> dict[str, Tensor]:
    """The tensors of a system that lie in files of their own and are not saved with it, by their names in its `state_dict`.

    Raises:
        WeightsError: the files are missing or were changed.
    """
    found: dict[str, Tensor] = {}
    for side, tower in (("image_encoder", system.image_encoder), ("text_encoder", system.text_encoder)):
        found |= {f"{side}.backbone.{name}": value for name, value in tower.backbone.outside_state().items()}
    return found


class TrainedModel:
    """A system in evaluation mode, its spec, its card and its id.

    Attributes:
        cache_dir: folder in which a network converted for this processor is kept; None keeps none.
    """

    def __init__(self, system: LostFoundSystem, spec: ModelSpec, card: ModelCard, *, model_id: str) -> None:
        self.system = system.eval().requires_grad_(False)
        self.spec = spec
        self.card = card
        self.model_id = model_id
        self._making = threading.Lock()
        self._made: InferenceNetwork | OpenVINONetwork | None = None
        self.cache_dir: Path | None = None

    def to(self, device: torch.device) -> "TrainedModel":
        """This model, with its weights on another device from now on."""
        with self._making:
            self.system.to(device)
            self._made = None
        return self

    def encode_pixels(self, pixels: Pixels) -> Embedding:
        """Shape: (n, size, size, 3) uint8 → (n, embed_dim) float32, unit length; n = 0 gives (0, embed_dim)."""
        if len(pixels) == 0:
            return np.zeros((0, self.spec.embed_dim), np.float32)
        inputs = self.system.image_encoder.inputs
        with torch_threads(1 if len(pixels) == 1 else ALL_THREADS):
            network = self._network()
            parts = [network(inputs(pixels[i : i + _BATCH])) for i in range(0, len(pixels), _BATCH)]
        return torch.cat(parts).numpy()

    def encode_texts(self, texts: Sequence[str]) -> Embedding:
        """Shape: n texts → (n, embed_dim) float32, unit length; bit-identical on any number of cores."""
        if not texts:
            return np.zeros((0, self.spec.embed_dim), np.float32)
        parts = [texts[i : i + _TEXTS] for i in range(0, len(texts), _TEXTS)]
        with torch_threads(1), evaluating(self.system):
            return torch.cat([self.system.encode_text(part).cpu() for part in parts]).numpy()

    def encode_items(self, pixels: Pixels, titles: Sequence[str]) -> Embedding:
        """Item embeddings: those of the pictures, or for a hybrid model the normalised mean of picture and title.

        The mean is that of reference system 002: both have unit length and thus equal weight. Titles are cleaned like other texts
        (`encoding.encoded_texts`); an item whose title is then empty uses its picture only.

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
        """Feature dimension at the input of the image head."""
        return self.system.image_encoder.backbone.features

    @property
    def text_input_dim(self) -> int:
        """Feature dimension at the input of the text head."""
        return self.system.text_encoder.backbone.features

    @property
    def precision(self) -> str:
        """How pictures are encoded on this processor: `float32`, `bfloat16` or `float32, OpenVINO`."""
        return self._network().precision

    def _network(self) -> InferenceNetwork | OpenVINONetwork:
        """Created with the first picture, so that text searches need not wait for it."""
        with self._making:
            if self._made is None:
                self._made = self._on_openvino() or InferenceNetwork(
                    self.system.image_encoder, image_size_px=self.spec.image_size_px
                )
            return self._made

    def _on_openvino(self) -> OpenVINONetwork | None:
        encoder = self.system.image_encoder
        if not encoder.backbone.on_openvino or encoder.device.type != "cpu":
            return None
        return openvino_network(encoder, image_size_px=self.spec.image_size_px, cache=self.cache_dir, name=self.model_id)

    def save(self, path: Path) -> "TrainedModel":
        """Write the model; returns it with the id of the written file.

        Raises:
            CheckpointError: a weight is not finite.
            StoreError: the disk is full or read-only; an existing file is unchanged.
            WeightsError: weights that lie in files of their own are missing or were changed.
        """
        details = {"spec": asdict(self.spec), "card": asdict(self.card)}
        outside = outside_state(self.system).keys()
        own = {name: value for name, value in self.system.state_dict().items() if name not in outside}
        saved = save_checkpoint(path, own, details)
        self.model_id = saved.model_id
        return self
