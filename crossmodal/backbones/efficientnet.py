"""EfficientNet-B0 (Tan and Le 2019, "Rethinking Model Scaling for Convolutional Neural Networks") from torchvision."""

from functools import partial

import torch
from torch import nn

from crossmodal.backbones.base import Config
from crossmodal.backbones.convolutional import ConvolutionalBackbone
from crossmodal.backbones.settings import picture_settings
from crossmodal.backbones.torchvision_weights import load_imagenet
from crossmodal.backbones.weights import WeightsSource
from crossmodal.torchvision_import import import_torchvision

NAME = "efficientnet_b0"

STAGES = (
    (1, 3, 1, 32, 16, 1),
    (6, 3, 2, 16, 24, 2),
    (6, 5, 2, 24, 40, 2),
    (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3),
    (6, 5, 2, 112, 192, 4),
    (6, 3, 1, 192, 320, 1),
)
"""Table 1 of the paper: expansion, kernel, stride, channels in and out, layers."""


class EfficientNetB0(ConvolutionalBackbone):
    """Seven stages and the last convolution are the 8 blocks; the features are the channels of the last map, 1280 at full width.

    Args:
        given: settings to change: `image_size_px`, `scaling` or `mean` and `std`, `width_multiplier`, `depth_multiplier` (both 1.0).
    """

    def __init__(self, given: Config | None = None) -> None:
        defaults = {**picture_settings(224, "imagenet"), "width_multiplier": 1.0, "depth_multiplier": 1.0}
        super().__init__(NAME, features=1280, blocks=len(STAGES) + 1, defaults=defaults, given=given)
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
    """With ImageNet weights.

    Raises:
        WeightsError: there are none, or they do not fit.
    """
    backbone = EfficientNetB0(given)
    load_imagenet(backbone, backbone.network, weights="EfficientNet_B0_Weights.IMAGENET1K_V1", source=source)
    return backbone
