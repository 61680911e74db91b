"""The two encoders: map pictures and texts to unit vectors in a joint space.

An encoder is a backbone (returns a sequence of features), a pooling (to one vector) and a head (projects it to the joint space). The
defaults are a ResNet18 with its classifier replaced, and a hashing tokenizer with an Embedding and a GRU; `training/presets.py`
lists others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from crossmodal.backbones.base import Backbone, Features, ImageBackbone, TextBackbone
from crossmodal.backbones.layers import POOLINGS, ProjectionHead
from crossmodal.backbones.registry import image_backbone, text_backbone
from crossmodal.backbones.resnet import Weights
from crossmodal.images.transforms import to_model_input
from crossmodal.items import Pixels


@dataclass(frozen=True, slots=True)
class TowerSpec:
    """Configuration of one encoder.

    Attributes:
        backbone: its name, see `crossmodal.backbones.registry`.
        config: settings to build the backbone without its weights; empty for its defaults.
        pooling: name in `POOLINGS`, maps a sequence of features to one vector.
        head: False uses the features as they are; they must then have the embedding's dimension.
        hidden, batch_norm, dropout: see `ProjectionHead`.
    """

    backbone: str
    config: Mapping[str, Any] = field(default_factory=dict)
    pooling: str = "mean"
    head: bool = True
    hidden: tuple[int, ...] = ()
    batch_norm: bool = False
    dropout: float = 0.0


RESNET18 = TowerSpec("resnet18")
GRU = TowerSpec("gru", pooling="max")


class Tower(nn.Module):
    """Base of both encoders.

    Args:
        backbone: the feature network.
        embed_dim: dimension of an embedding.
        spec: pooling and head.
    """

    def __init__(self, backbone: Backbone, embed_dim: int, spec: TowerSpec) -> None:
        super().__init__()
        self.backbone = backbone
        self.pooling = POOLINGS[spec.pooling](backbone.features)
        self.head = (
            ProjectionHead(backbone.features, embed_dim, hidden=spec.hidden, batch_norm=spec.batch_norm, dropout=spec.dropout)
            if spec.head
            else nn.Identity()
        )

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def pool(self, features: Features) -> Tensor:
        """Pool each sequence to one vector. Shape: (n, length, features) → (n, features) float32."""
        pooled: Tensor = self.pooling(features.values, features.mask)
        return pooled.float()

    def project(self, pooled: Tensor) -> Tensor:
        """Project to unit-length embeddings; a zero vector stays zero. Shape: (n, features) → (n, embed_dim) float32."""
        return functional.normalize(self.head(pooled).float(), dim=-1)

    def embed(self, hidden: Features, trainable_blocks: int = 0) -> Tensor:
        """Embed the output of the backbone's stem, split before its last `trainable_blocks` blocks: (n, embed_dim) float32."""
        return self.project(self.pool(self.backbone.tail(hidden, trainable_blocks)))


class ImageEncoder(Tower):
    """Pictures to embeddings; by default ResNet18 with its head replaced.

    Args:
        embed_dim: dimension of an embedding.
        weights: initial weights of a ResNet18; None for random ones.
        spec: another backbone, pooling or head.
        backbone: an existing network with its weights.
    """

    backbone: ImageBackbone

    def __init__(
        self,
        embed_dim: int,
        *,
        weights: Weights | None = None,
        spec: TowerSpec = RESNET18,
        backbone: ImageBackbone | None = None,
    ) -> None:
        super().__init__(backbone or image_backbone(spec.backbone)(dict(spec.config)), embed_dim, spec)
        if weights is not None and weights.state is not None:
            self.backbone.get_submodule("network").load_state_dict(weights.state)

    def inputs(self, pixels: Pixels) -> Tensor:
        """Normalise pixels for this backbone. Shape: (n, size, size, 3) uint8 → (n, 3, size, size) float32."""
        read = self.backbone.preprocessing
        return to_model_input(pixels, mean=read.mean, std=read.std)

    def features(self, images: Tensor) -> Tensor:
        """Pooled backbone features. Shape: (n, 3, height, width) float32 → (n, features) float32."""
        return self.pool(self.backbone(images))

    def forward(self, images: Tensor) -> Tensor:
        """Unit-length embeddings. Shape: (n, 3, height, width) float32 → (n, embed_dim) float32."""
        return self.project(self.features(images))


class TextEncoder(Tower):
    """Texts to embeddings; by default hashing tokenizer → Embedding → GRU.

    Args:
        embed_dim: dimension of an embedding.
        vocab_size, max_tokens: hash buckets and maximum words per text, for the default backbone.
        spec: another backbone, pooling or head.
        backbone: an existing network with its weights.
    """

    backbone: TextBackbone

    def __init__(
        self,
        embed_dim: int,
        *,
        vocab_size: int = 16_384,
        max_tokens: int = 32,
        spec: TowerSpec = GRU,
        backbone: TextBackbone | None = None,
    ) -> None:
        config = (
            {"vocab_size": vocab_size, "max_tokens": max_tokens, **spec.config} if spec.backbone == "gru" else dict(spec.config)
        )
        super().__init__(backbone or text_backbone(spec.backbone)(config), embed_dim, spec)

    def forward(self, texts: Sequence[str]) -> Tensor:
        """Unit-length embeddings. Shape: (len(texts), embed_dim) float32; n may be 0."""
        with torch.autocast(self.device.type, enabled=False):  # a small recurrent network loses more from rounding than it gains
            return self.project(self.pool(self.backbone(texts)))
