"""MobileNetV2 (Sandler et al. 2018, "Inverted Residuals and Linear Bottlenecks") from torchvision, without its classifier."""

import torch
from torch import nn

from crossmodal.backbones.base import Config
from crossmodal.backbones.convolutional import ConvolutionalBackbone
from crossmodal.backbones.settings import picture_settings
from crossmodal.backbones.torchvision_weights import load_imagenet
from crossmodal.backbones.weights import WeightsSource
from crossmodal.torchvision_import import import_torchvision

NAME = "mobilenet_v2"


class MobileNetV2(ConvolutionalBackbone):
    """17 inverted residuals and the last convolution are the 18 blocks; the features are the channels of the last map, at least 1280.

    Args:
        given: settings to change: `image_size_px`, `scaling` or `mean` and `std`, `width_multiplier` (1.0; smaller is thinner).
    """

    def __init__(self, given: Config | None = None) -> None:
        defaults = {**picture_settings(224, "imagenet"), "width_multiplier": 1.0}
        super().__init__(NAME, features=1280, blocks=18, defaults=defaults, given=given)
        network: nn.Module = import_torchvision().models.MobileNetV2(width_mult=self.settings["width_multiplier"])
        network.classifier = nn.Identity()
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.features = int(network.last_channel)  # type: ignore[arg-type]

    def layers(self) -> list[nn.Module]:
        """See `ConvolutionalBackbone`."""
        return list(self.network.get_submodule("features").children())


def load_mobilenet_v2(source: WeightsSource, given: Config | None = None) -> MobileNetV2:
    """With ImageNet weights. Some files expect `scaling: symmetric` in place of torchvision's; name it in `given`.

    Raises:
        WeightsError: there are none, or they do not fit.
    """
    backbone = MobileNetV2(given)
    load_imagenet(backbone, backbone.network, weights="MobileNet_V2_Weights.IMAGENET1K_V1", source=source)
    return backbone
