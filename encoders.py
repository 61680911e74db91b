"""The two towers: a picture or a text to a vector of one length, so that they can be compared."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from crossmodal.backbones.gru import GRUText
from crossmodal.backbones.resnet import FEATURES, Weights, resnet18
from crossmodal.text.tokenizer import HashingTokenizer


class ImageEncoder(nn.Module):
    """ResNet18 with its head replaced by a projection.

    Args:
        embed_dim: length of an embedding.
        weights: where the backbone starts from; None is random.
    """

    def __init__(self, embed_dim: int, *, weights: Weights | None = None) -> None:
        super().__init__()
        self.resnet = resnet18()
        self.projection = nn.Linear(FEATURES, embed_dim)
        if weights is not None and weights.state is not None:
            self.resnet.load_state_dict(weights.state)

    def features(self, images: Tensor) -> Tensor:
        """What the backbone sees. Shape: (n, 3, height, width) float32 → (n, 512) float32."""
        return self.resnet(images).float()  # type: ignore[no-any-return]

    def project(self, features: Tensor) -> Tensor:
        """Features to embeddings of length 1; a zero vector stays zero. Shape: (n, 512) → (n, embed_dim) float32."""
        return functional.normalize(self.projection(features).float(), dim=-1)

    def forward(self, images: Tensor) -> Tensor:
        """Embeddings of length 1. Shape: (n, 3, height, width) float32 → (n, embed_dim) float32."""
        return self.project(self.features(images))


class TextEncoder(nn.Module):
    """Hashing tokenizer → Embedding → GRU.

    Args:
        embed_dim: length of an embedding.
        vocab_size: hash buckets.
        max_tokens: words of a text that are read.
        width: length of a word's vector.
    """

    def __init__(self, embed_dim: int, *, vocab_size: int, max_tokens: int, width: int = 128) -> None:
        super().__init__()
        self.gru = GRUText(HashingTokenizer(vocab_size, max_tokens), width=width, out_features=embed_dim)

    def forward(self, texts: Sequence[str]) -> Tensor:
        """Embeddings of length 1. Shape: (len(texts), embed_dim) float32; no text gives (0, embed_dim)."""
        with torch.autocast("cpu", enabled=False):  # the recurrent part is small and loses more from rounding than it gains
            return functional.normalize(self.gru(texts), dim=-1)
