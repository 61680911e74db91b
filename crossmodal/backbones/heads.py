"""From a backbone's features to the joint space: one linear layer, or a small network with hidden layers."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn


class ProjectionHead(nn.Module):
    """Linear, or hidden layers of (linear, batch norm, ReLU, dropout) before the last linear layer.

    Args:
        in_features: length of a feature vector.
        out_features: length of an embedding, before it is brought to length 1.
        hidden: lengths of the hidden layers; none gives one linear layer.
        batch_norm: normalise each hidden layer over the batch (Ioffe and Szegedy 2015).
        dropout: share of a hidden layer, or of the features when there is none, that is left out in training, in [0, 1).

    Shape: (n, in_features) → (n, out_features).
    """

    def __init__(
        self, in_features: int, out_features: int, *, hidden: Sequence[int] = (), batch_norm: bool = False, dropout: float = 0.0
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [] if hidden or not dropout else [nn.Dropout(dropout)]
        sizes = [in_features, *hidden]
        for before, after in pairwise(sizes):
            layers.append(nn.Linear(before, after))
            layers += [nn.BatchNorm1d(after)] if batch_norm else []
            layers.append(nn.ReLU())
            layers += [nn.Dropout(dropout)] if dropout else []
        layers.append(nn.Linear(sizes[-1], out_features))
        self.layers = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        """Shape: (n, in_features) → (n, out_features)."""
        projected: Tensor = self.layers(features)
        return projected
