"""Poolings and projection heads between a backbone and the joint space, and initialisation without random numbers."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import init
from torch.overrides import TorchFunctionMode


class ProjectionHead(nn.Module):
    """A linear layer, optionally preceded by hidden layers of (linear, batch norm, ReLU, dropout).

    Args:
        in_features: dimension of a feature vector.
        out_features: dimension of an embedding, which is normalised afterwards.
        hidden: dimensions of the hidden layers; none gives one linear layer.
        batch_norm: normalise each hidden layer over the batch (Ioffe and Szegedy 2015).
        dropout: dropout probability in hidden layers, or of the features if there are none, in [0, 1).

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


class MeanPooling(nn.Module):
    """The mean over the sequence without padding.

    Args:
        features: dimension of a vector; part of the interface of poolings.

    Shape: values (n, length, features), mask (n, length) bool → (n, features); every row of the mask has a True.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """See above."""
        weight = mask[:, :, None].to(values.dtype)
        return (values * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)


class MaxPooling(MeanPooling):
    """The maximum of each feature over the sequence without padding."""

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """See `MeanPooling`."""
        return values.masked_fill(~mask[:, :, None], float("-inf")).amax(dim=1)


class FirstPooling(MeanPooling):
    """The first vector of the sequence: a class token, or the only vector."""

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:  # noqa: ARG002 - the first position is never padding
        """See `MeanPooling`."""
        return values[:, 0]


POOLINGS: dict[str, Callable[[int], nn.Module]] = {"mean": MeanPooling, "max": MaxPooling, "first": FirstPooling}
"""Name → constructor that takes the dimension of the features."""


# Includes the functions of `init`: a function mode that intercepted the outer call does not see the inner ones.
_RANDOM_INIT: frozenset[Callable[..., Any]] = frozenset(
    {
        *(torch.Tensor.normal_, torch.Tensor.uniform_),
        *(init.normal_, init.uniform_, init.trunc_normal_, init.orthogonal_),
        *(init.xavier_normal_, init.xavier_uniform_, init.kaiming_normal_, init.kaiming_uniform_),
    }
)


@contextmanager
def skip_init() -> Iterator[None]:
    """Inside the block, random initialisation leaves tensors unchanged.

    For networks on the device `meta`, whose tensors have no storage: torch initialises even those, through a Python path that first loads
    its compiler, which takes longer than reading the whole model.
    """
    with _SkipInit():
        yield


class _SkipInit(TorchFunctionMode):
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if func in _RANDOM_INIT:
            return args[0] if args else given["tensor"]
        return func(*args, **given)
