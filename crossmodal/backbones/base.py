"""The interface of backbones: they map pictures or texts to a sequence of feature vectors and can be split in two.

The split serves training. The part before it (the stem) is frozen, so its output for a picture is the same in every epoch and is cached.
The part after it (the tail) is trained. `tail(stem(x, k), k)` equals `forward(x)` for every number k of blocks that the backbone offers.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self, TypeAlias

import torch
from torch import Tensor, nn

from crossmodal.errors import QueryError
from crossmodal.items import Fit

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"
Config: TypeAlias = dict[str, JSON]


class Features(NamedTuple):
    """A padded batch of sequences, one per picture or text.

    Attributes:
        values: (n, length, features) float32, or bfloat16 from a cache: regions of a picture, words of a text, or one vector (length 1).
            Zero where the mask is False.
        mask: (n, length) bool, False for padding; every row has at least one True.
    """

    values: Tensor
    mask: Tensor

    def to(self, device: torch.device) -> "Features":
        """A copy on another device."""
        return Features(self.values.to(device), self.mask.to(device))


class Origin(NamedTuple):
    """Where a backbone's weights came from; `note` is one line for display."""

    pretrained: bool
    note: str


RANDOM = Origin(False, "Random weights.")


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """Input of an image backbone: squares of `image_size_px`, made as `fit` says, each channel `(pixel / 255 - mean) / std`."""

    image_size_px: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    fit: Fit = "crop"


class Backbone(nn.Module, ABC):
    """Base of image and text backbones.

    Args:
        name: name in the registry.
        features: dimension of each vector of the sequence.
        blocks: number of blocks that can be unfrozen, counted from the end.
    """

    pooling: str
    """The recommended pooling: `mean`, `max`, or `first`."""
    origin: Origin = RANDOM

    def __init__(self, name: str, *, features: int, blocks: int) -> None:
        super().__init__()
        self.name, self.features, self.blocks = name, features, blocks
        self.trainable_blocks: int | None = None  # None: nothing is frozen; `freeze` sets it

    @abstractmethod
    def config(self) -> Config:
        """All settings needed to build the same network without its weights and offline; JSON-serialisable."""

    @abstractmethod
    def tail(self, hidden: Features, trainable_blocks: int) -> Features:
        """Apply the last `trainable_blocks` blocks to the output of `stem` for the same number; the identity for 0.

        Raises:
            QueryError: `bad_request`: the backbone has fewer blocks.
        """

    @abstractmethod
    def tail_modules(self, trainable_blocks: int) -> list[nn.Module]:
        """The modules used by `tail`; empty for 0."""

    def outside_state(self) -> dict[str, Tensor]:
        """Those tensors of `state_dict` that lie in files of their own and are not saved with a model; none for most backbones.

        Raises:
            WeightsError: the files are missing or were changed.
        """
        return {}

    def check_blocks(self, trainable_blocks: int) -> None:
        """Raises:
        QueryError: `bad_request`; the backbone does not have this number of blocks.
        """
        if not 0 <= trainable_blocks <= self.blocks:
            offered = f"0 to {self.blocks} blocks" if self.blocks else "none: it is used as it is"
            raise QueryError(
                "bad_request",
                f"{trainable_blocks} blocks of {self.name} cannot be unfrozen; it offers {offered}.",
                remedy=f"Ask for {self.blocks} at most." if self.blocks else "Ask for 0.",
            )

    def train(self, mode: bool = True) -> Self:
        """As `nn.Module.train`, but frozen modules stay in evaluation mode: batch norms keep their statistics, dropout is off."""
        if self.trainable_blocks is None:
            return super().train(mode)
        super().train(False)
        for module in self.tail_modules(self.trainable_blocks):
            module.train(mode)
        self.training = mode
        return self

    def digest(self) -> str:
        """SHA-256 in hex over the config and all tensors; the same in every process."""
        text = json.dumps(self.config(), sort_keys=True)
        return hashlib.sha256(f"{self.name}\n{text}\n{state_digest(self.state_dict())}".encode()).hexdigest()

    def dtype(self) -> torch.dtype:
        """Dtype of the weights, to which cached features are converted."""
        return next(self.parameters()).dtype


class WholeBackbone(Backbone):
    """A backbone that is used as it is: none of its blocks can be unfrozen, so `stem` is everything."""

    def tail(self, hidden: Features, trainable_blocks: int) -> Features:
        """See `Backbone`; 0 blocks only."""
        self.check_blocks(trainable_blocks)
        return hidden

    def tail_modules(self, trainable_blocks: int) -> list[nn.Module]:  # noqa: ARG002 - there are none
        """See `Backbone`."""
        return []


class ImageBackbone(Backbone):
    """Maps pictures to features.

    Attributes:
        preprocessing: how `images` must be prepared.
        on_openvino: whether a finished model of it runs on OpenVINO where that is installed.
    """

    preprocessing: Preprocessing
    on_openvino = False

    @abstractmethod
    def stem(self, images: Tensor, trainable_blocks: int) -> Features:
        """Everything before the last `trainable_blocks` blocks. Shape: (n, 3, S, S) float32 → (n, length, channels there) float32.

        A feature map is flattened to a sequence of its pixels, row by row.

        Raises:
            QueryError: `bad_request`: the backbone has fewer blocks.
        """

    def forward(self, images: Tensor) -> Features:
        """Shape: (n, 3, S, S) float32 → (n, length, features) float32; n may be 0."""
        return self.tail(self.stem(images, 0), 0)


class TextBackbone(Backbone):
    """Maps texts to features.

    Attributes:
        cacheable: whether a text always gives the same features in training; False if its words are augmented.
    """

    cacheable: bool = True

    @abstractmethod
    def stem(self, texts: Sequence[str], trainable_blocks: int) -> Features:
        """Everything before the last `trainable_blocks` blocks. Shape: n texts → (n, longest, channels there) float32.

        Raises:
            QueryError: `bad_request`: the backbone has fewer blocks.
        """

    def forward(self, texts: Sequence[str]) -> Features:
        """Shape: n texts → (n, longest, features) float32; no text gives (0, 1, features)."""
        return self.tail(self.stem(texts, 0), 0)


def freeze(backbone: Backbone, trainable_blocks: int | None) -> None:
    """Freeze all but the last `trainable_blocks` blocks; None unfreezes everything.

    Raises:
        QueryError: `bad_request`; there are not so many blocks.
    """
    backbone.check_blocks(trainable_blocks or 0)
    backbone.trainable_blocks = trainable_blocks
    backbone.requires_grad_(trainable_blocks is None)
    for module in backbone.tail_modules(trainable_blocks or 0):
        module.requires_grad_(True)
    backbone.train(backbone.training)


def state_digest(state: dict[str, Tensor]) -> str:
    """SHA-256 in hex over names, shapes, dtypes and bytes; independent of the order of names and of memory layout."""
    hashed = hashlib.sha256()
    for name in sorted(state):
        value = state[name].detach().cpu().contiguous()
        hashed.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        hashed.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return hashed.hexdigest()


def vectors(values: Tensor) -> Features:
    """Sequences of length 1, float32. Shape: (n, features) → (n, 1, features)."""
    return sequence(values[:, None])


def sequence(values: Tensor, mask: Tensor | None = None) -> Features:
    """Features in float32, with zeros as padding. Shape: (n, length, features) and (n, length) bool; None means no padding."""
    if mask is None:
        return Features(values.float(), torch.ones(values.shape[:2], dtype=torch.bool, device=values.device))
    return Features(values.float().masked_fill(~mask[:, :, None], 0.0), mask)
