"""ResNet18 (He et al. 2015, "Deep Residual Learning for Image Recognition") from torchvision, without its classifier."""

import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from crossmodal.backbones.base import Config, Origin
from crossmodal.backbones.config import picture_settings
from crossmodal.backbones.download import from_torchvision
from crossmodal.backbones.torchvision import ConvolutionalBackbone
from crossmodal.backbones.weights import WeightsSource, fitted, local_file, read_state
from crossmodal.torchvision_compat import import_torchvision

MAX_MAP_PIXELS = 4
"""Largest output map, in pixels, for which the matrix product is faster."""
MAX_BF16_MAP_PIXELS = 1
"""The same in bfloat16, where the library is fast on small maps too. On a single pixel its gradient of the weights is not deterministic
(torch 2.13, AVX512-BF16) and sometimes not finite, so the matrix product is used."""


class SmallMapConv2d(nn.Conv2d):
    """A `Conv2d` without groups or dilation that uses a matrix product if its output map has at most 4 pixels."""

    def forward(self, images: Tensor) -> Tensor:
        """Shape: as `nn.Conv2d`."""
        height, width = (self._out(side, axis) for axis, side in enumerate(images.shape[2:]))
        if height * width > (MAX_BF16_MAP_PIXELS if torch.is_autocast_enabled("cpu") else MAX_MAP_PIXELS):
            return super().forward(images)
        size, stride = self.kernel_size, self.stride
        down, right = (int(side) for side in self.padding)
        padded = functional.pad(images.permute(0, 2, 3, 1), (0, 0, right, right, down, down))  # (n, h, w, c)
        patches = padded.unfold(1, size[0], stride[0]).unfold(2, size[1], stride[1])  # (n, height, width, c, kernel, kernel)
        rows = patches.permute(0, 1, 2, 4, 5, 3).reshape(len(images) * height * width, size[0] * size[1] * self.in_channels)
        # This is the memory order of channels-last weights, so they are not copied.
        flat = functional.linear(rows, self.weight.permute(0, 2, 3, 1).reshape(self.out_channels, -1), self.bias)
        return flat.view(len(images), height, width, self.out_channels).permute(0, 3, 1, 2)

    def _out(self, side: int, axis: int) -> int:
        return (side + 2 * int(self.padding[axis]) - self.kernel_size[axis]) // self.stride[axis] + 1


def use_small_maps(network: nn.Module) -> nn.Module:
    """Replace every plain 3 × 3 convolution by a `SmallMapConv2d` with the same weights. In place; returns `network`."""
    for module in network.modules():
        for name, child in list(module.named_children()):
            if type(child) is nn.Conv2d and child.kernel_size == (3, 3) and child.groups == 1 and child.bias is None:
                stride, padding = child.stride[0], int(child.padding[0])
                small = SmallMapConv2d(child.in_channels, child.out_channels, 3, stride, padding, bias=False)
                small.weight = child.weight
                setattr(module, name, small)
    return network


log = logging.getLogger(__name__)

NAME = "resnet18"
FEATURES = 512
PRETRAINED = "ImageNet weights"


@dataclass(frozen=True, slots=True)
class Weights:
    """Initial weights of a ResNet18.

    Attributes:
        name: `ImageNet weights` or `random weights`.
        note: one line for display: the file or server, or the reason for random weights.
        state: the backbone's `state_dict` without its classifier, None for random weights.
    """

    name: str
    note: str
    state: dict[str, torch.Tensor] | None = None


class ResNet18(ConvolutionalBackbone):
    """ResNet18; its four layers are the blocks, and the features are the 512 channels of the last map, a 32nd of the picture's side.

    Args:
        given: settings to change: `image_size_px`, and `scaling` or `mean` and `std`.
    """

    def __init__(self, given: Config | None = None) -> None:
        super().__init__(NAME, features=FEATURES, blocks=4, defaults=picture_settings(224, "imagenet"), given=given)
        self.network = resnet18()

    def layers(self) -> list[nn.Module]:
        """See `ConvolutionalBackbone`."""
        parts = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")
        return [self.network.get_submodule(part) for part in parts]


def load_resnet18(source: WeightsSource, given: Config | None = None) -> ResNet18:
    """Load ImageNet weights if they are available, else use random ones; `origin` says which.

    Raises:
        WeightsError: the file named by the user does not exist.
    """
    weights = find_weights(local_file(source, NAME, "resnet18-f37072fd"), download=source.download, timeout_s=source.timeout_s)
    backbone = ResNet18(given)
    if weights.state is not None:
        backbone.network.load_state_dict(weights.state)
    backbone.origin = Origin(weights.state is not None, weights.note)
    return backbone


def resnet18() -> nn.Module:
    """A torchvision ResNet18 with random weights, without its classifier.

    Shape: input (n, 3, height, width) float32, output (n, 512).
    """
    network: nn.Module = import_torchvision().models.resnet18(weights=None)
    network.fc = nn.Identity()
    return use_small_maps(network).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def find_weights(file: Path | None, *, download: bool, timeout_s: float) -> Weights:
    """ImageNet weights if they are available, else random ones; raises no exception.

    Args:
        file: a `state_dict` of torchvision's `resnet18`; if set, nothing else is tried.
        download: whether to use torchvision's cache and server.
        timeout_s: timeout of the server in seconds, for the first byte and between bytes.
    """
    if file is not None:
        return _from_file(file)
    if not download:
        return Weights("random weights", "Downloading is switched off and no weights file is named.")
    return _from_torchvision(timeout_s)


def _from_file(file: Path) -> Weights:
    if not file.is_file():
        return Weights("random weights", f"The weights file {file.name} does not exist, so training starts from random weights.")
    try:
        return Weights(PRETRAINED, f"Loaded from {file.name}.", fitted(read_state(file), _wanted(), "a ResNet18"))
    except Exception as error:  # noqa: BLE001 - a damaged file raises many exception types; the note reports it
        log.warning("weights file %s refused: %s", file.name, type(error).__name__)
        return Weights(
            "random weights", f"The weights file {file.name} is not a ResNet18 state_dict, so training starts from random weights."
        )


def _from_torchvision(timeout_s: float) -> Weights:
    state = from_torchvision(import_torchvision().models.ResNet18_Weights.DEFAULT, timeout_s)
    try:
        return Weights(PRETRAINED, "Loaded by torchvision.", fitted(state or {}, _wanted(), "a ResNet18"))
    except ValueError:
        return Weights(
            "random weights",
            "ImageNet weights could not be downloaded, so training starts from random weights. Offline this is normal.",
        )


def _wanted() -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        return resnet18().state_dict()
