"""From a backbone's features to the joint space: one linear layer, or a small network with hidden layers."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import init
from torch.overrides import TorchFunctionMode


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


class MeanPooling(nn.Module):
    """The mean of what is there.

    Args:
        features: length of a vector; every pooling is told, some need it.

    Shape: values (n, length, features), mask (n, length) bool → (n, features); every row of the mask has a True.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """See above."""
        here = mask[:, :, None].to(values.dtype)
        return (values * here).sum(dim=1) / here.sum(dim=1).clamp(min=1)


class MaxPooling(MeanPooling):
    """The largest value that each feature reaches."""

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """See `MeanPooling`."""
        return values.masked_fill(~mask[:, :, None], float("-inf")).amax(dim=1)


class FirstPooling(MeanPooling):
    """The first vector: a class token, or the only one."""

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:  # noqa: ARG002 - the first one is always there
        """See `MeanPooling`."""
        return values[:, 0]


POOLINGS: dict[str, Callable[[int], nn.Module]] = {"mean": MeanPooling, "max": MaxPooling, "first": FirstPooling}
"""Name → how to build it from the number of features."""


# The functions of `init` too: what they call is out of the reach of a function mode that has seen the outer call.
_DRAWING: frozenset[Callable[..., Any]] = frozenset(
    {
        *(torch.Tensor.normal_, torch.Tensor.uniform_),
        *(init.normal_, init.uniform_, init.trunc_normal_, init.orthogonal_),
        *(init.xavier_normal_, init.xavier_uniform_, init.kaiming_normal_, init.kaiming_uniform_),
    }
)


@contextmanager
def undrawn() -> Iterator[None]:
    """Inside, drawing a tensor's numbers leaves the tensor as it is.

    For networks on the device `meta`, which have shapes and no numbers: torch draws even those, through a Python path that loads its
    compiler first, which takes longer than reading the whole model.
    """
    with _Undrawn():
        yield


class _Undrawn(TorchFunctionMode):
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if func in _DRAWING:
            return args[0] if args else given["tensor"]
        return func(*args, **given)
