"""Convolutional backbones of torchvision, which can be split between any two of their last layers."""

import math
from abc import abstractmethod
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from crossmodal.backbones.base import Config, Features, ImageBackbone, Origin, sequence
from crossmodal.backbones.config import picture_settings, preprocessing, settle
from crossmodal.backbones.download import from_torchvision
from crossmodal.backbones.weights import WeightsSource, load_fitted, local_file, missing, read_state
from crossmodal.torchvision_compat import import_torchvision


class ConvolutionalBackbone(ImageBackbone):
    """A sequence of layers; the features are the pixels of the last map.

    Args:
        name: name in the registry.
        features: channels of the last map.
        blocks: number of layers at the end that can be unfrozen.
        defaults: default settings; `given` replaces some of them.

    Raises:
        QueryError: `bad_request`; a setting is unknown or out of range.
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
            ValueError: the pictures are not square.
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
        )  # channels-last in memory
        for layer in self.tail_modules(trainable_blocks):
            maps = layer(maps)
        return _pixels(maps)

    def tail_modules(self, trainable_blocks: int) -> list[nn.Module]:
        """See `Backbone`."""
        return self.layers()[len(self.layers()) - trainable_blocks :]


def _pixels(maps: Tensor) -> Features:
    """(n, c, h, w) → (n, h * w, c)."""
    return sequence(maps.flatten(2).transpose(1, 2))


def load_imagenet(backbone: ImageBackbone, network: nn.Module, *, weights: str, source: WeightsSource) -> None:
    """Load ImageNet weights into `network`, a part of `backbone`, and set the origin.

    Args:
        weights: torchvision's name of the weights, such as `MobileNet_V2_Weights.IMAGENET1K_V1`.

    Raises:
        WeightsError: they are not available or do not fit; the remedy says which file to put where.
    """
    kind, _, entry = weights.partition(".")
    chosen: Any = getattr(getattr(import_torchvision().models, kind), entry)
    published = chosen.url.rpartition("/")[2].rpartition(".")[0]  # the name of the file on the server is accepted, too
    name = backbone.name
    if (file := local_file(source, name, published)) is not None:
        load_fitted(network, read_state(file), what=f"torchvision's {name}", file=file.name)
        backbone.origin = Origin(True, f"Loaded from {file.name}.")
        return
    state = from_torchvision(chosen, source.timeout_s) if source.download else None
    if state is None:
        tried = "could not be downloaded" if source.download else "are not on this computer, and downloading is switched off"
        raise missing(
            f"The weights of {name} {tried}.", f"Put a state_dict of torchvision's {name} at {source.place(f'{name}.pth')}."
        )
    load_fitted(network, state, what=f"torchvision's {name}", file="what torchvision loaded")
    backbone.origin = Origin(True, "Loaded by torchvision.")


EFFICIENTNET = "efficientnet_b0"

STAGES = (
    (1, 3, 1, 32, 16, 1),
    (6, 3, 2, 16, 24, 2),
    (6, 5, 2, 24, 40, 2),
    (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3),
    (6, 5, 2, 112, 192, 4),
    (6, 3, 1, 192, 320, 1),
)
"""Table 1 of Tan and Le 2019: expansion, kernel, stride, channels in and out, layers."""


class EfficientNetB0(ConvolutionalBackbone):
    """EfficientNet-B0; its seven stages and the last convolution are the 8 blocks, and the features are the channels of the last map,
    1280 at full width.

    Args:
        given: settings to change: `image_size_px`, `scaling` or `mean` and `std`, `width_multiplier`, `depth_multiplier` (both 1.0).
    """

    def __init__(self, given: Config | None = None) -> None:
        defaults = {**picture_settings(224, "imagenet"), "width_multiplier": 1.0, "depth_multiplier": 1.0}
        super().__init__(EFFICIENTNET, features=1280, blocks=len(STAGES) + 1, defaults=defaults, given=given)
        family = import_torchvision().models.efficientnet
        wide, deep = self.settings["width_multiplier"], self.settings["depth_multiplier"]
        stage = partial(family.MBConvConfig, width_mult=wide, depth_mult=deep)
        network: nn.Module = family.EfficientNet([stage(*row) for row in STAGES], dropout=0.0)
        self.features = int(network.classifier[1].in_features)  # type: ignore[index, union-attr]
        network.classifier = nn.Identity()
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def layers(self) -> list[nn.Module]:
        """See `ConvolutionalBackbone`."""
        return list(self.network.get_submodule("features").children())


def load_efficientnet_b0(source: WeightsSource, given: Config | None = None) -> EfficientNetB0:
    """Load ImageNet weights.

    Raises:
        WeightsError: they are not available or do not fit.
    """
    backbone = EfficientNetB0(given)
    load_imagenet(backbone, backbone.network, weights="EfficientNet_B0_Weights.IMAGENET1K_V1", source=source)
    return backbone


MOBILENET = "mobilenet_v2"


class MobileNetV2(ConvolutionalBackbone):
    """MobileNetV2; its 17 inverted residuals and the last convolution are the 18 blocks, and the features are the channels of the last
    map, at least 1280.

    Args:
        given: settings to change: `image_size_px`, `scaling` or `mean` and `std`, `width_multiplier` (1.0; smaller is thinner).
    """

    def __init__(self, given: Config | None = None) -> None:
        defaults = {**picture_settings(224, "imagenet"), "width_multiplier": 1.0}
        super().__init__(MOBILENET, features=1280, blocks=18, defaults=defaults, given=given)
        network: nn.Module = import_torchvision().models.MobileNetV2(width_mult=self.settings["width_multiplier"])
        network.classifier = nn.Identity()
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.features = int(network.last_channel)  # type: ignore[arg-type]

    def layers(self) -> list[nn.Module]:
        """See `ConvolutionalBackbone`."""
        return list(self.network.get_submodule("features").children())


def load_mobilenet_v2(source: WeightsSource, given: Config | None = None) -> MobileNetV2:
    """Load ImageNet weights. Some files expect `scaling: symmetric` in place of torchvision's; set it in `given`.

    Raises:
        WeightsError: they are not available or do not fit.
    """
    backbone = MobileNetV2(given)
    load_imagenet(backbone, backbone.network, weights="MobileNet_V2_Weights.IMAGENET1K_V1", source=source)
    return backbone
