"""A sequence of features to one vector."""

from collections.abc import Callable

from torch import Tensor, nn


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
