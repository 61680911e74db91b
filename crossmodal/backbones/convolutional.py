"""What the convolutional families share: a row of layers over maps, cut anywhere among its last ones."""

import math
from abc import abstractmethod

from torch import Tensor, nn

from crossmodal.backbones.base import Config, Features, ImageBackbone, sequence
from crossmodal.backbones.settings import preprocessing, settle


class ConvolutionalBackbone(ImageBackbone):
    """A row of layers; the features are the pixels of the last map.

    Args:
        name: name in the registry.
        features: channels of the last map.
        blocks: layers, counted from the end, that may be unfrozen.
        defaults: every setting with its default; `given` replaces some of them.

    Raises:
        QueryError: `bad_request`; a setting is unknown or out of its range.
    """

    pooling = "mean"

    def __init__(self, name: str, *, features: int, blocks: int, defaults: Config, given: Config | None) -> None:
        super().__init__(name, features=features, blocks=blocks)
        self.settings = settle(name, defaults, given)
        self.preprocessing = preprocessing(self.settings)

    @abstractmethod
    def layers(self) -> list[nn.Module]:
        """All layers in order; the last `blocks` of them are the blocks."""

    def config(self) -> Config:
        """See `Backbone`."""
        return dict(self.settings)

    def stem(self, images: Tensor, trainable_blocks: int) -> Features:
        """See `ImageBackbone`.

        Raises:
            ValueError: the pictures are no squares.
        """
        self.check_blocks(trainable_blocks)
        if images.shape[2] != images.shape[3]:
            raise ValueError(f"expected squares, got {tuple(images.shape)}")
        maps, layers = images, self.layers()
        for layer in layers[: len(layers) - trainable_blocks]:
            maps = layer(maps)
        return _pixels(maps)

    def tail(self, hidden: Features, trainable_blocks: int) -> Features:
        """See `Backbone`."""
        self.check_blocks(trainable_blocks)
        if not trainable_blocks:
            return hidden
        side = math.isqrt(hidden.values.shape[1])
        maps = (
            hidden.values.to(self.dtype()).reshape(-1, side, side, hidden.values.shape[2]).permute(0, 3, 1, 2)
        )  # channels-last in memory, as it came
        for layer in self.tail_modules(trainable_blocks):
            maps = layer(maps)
        return _pixels(maps)

    def tail_modules(self, trainable_blocks: int) -> list[nn.Module]:
        """See `Backbone`."""
        return self.layers()[len(self.layers()) - trainable_blocks :]


def _pixels(maps: Tensor) -> Features:
    """(n, c, h, w) → (n, h * w, c)."""
    return sequence(maps.flatten(2).transpose(1, 2))
