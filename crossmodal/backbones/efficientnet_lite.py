"""EfficientNet-Lite0 (Google 2020; Tan and Le 2019 without squeeze-and-excitation, with ReLU6), an ImageNet classifier of 4.7 M weights."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from crossmodal.backbones.torchvision import STAGES

FIRST_POOLED = 10
"""The block from which on the pooled outputs are features: the last of 112 channels, four of 192 and one of 320."""
BLOCK_FEATURES = 112 + 4 * 192 + 320
FEATURES = 1280
CLASSES = 1000

_EPSILON = 1e-3  # of TensorFlow's batch norm, which the published weights were trained with
_MOMENTUM = 0.01


class LiteFeatures(NamedTuple):
    """What the network gives for pictures.

    Attributes:
        blocks: (n, 1200) the outputs of the last six blocks, each averaged over its pixels.
        last: (n, 1280, h, w) the last map; its mean over the pixels is what the classifier was trained on.
    """

    blocks: Tensor
    last: Tensor


class EfficientNetLite0(nn.Module):
    """The network."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _ConvNorm(3, 32, kernel=3, stride=2)
        self.blocks = nn.ModuleList(
            _Block(first if number == 0 else out, out, expand, kernel, stride if number == 0 else 1)
            for expand, kernel, stride, first, out, depth in STAGES
            for number in range(depth)
        )
        self.last = _ConvNorm(320, FEATURES)
        self.classifier = nn.Linear(FEATURES, CLASSES)

    def forward(self, images: Tensor) -> LiteFeatures:
        """Shape: (n, 3, S, S) float32, pixels as (pixel - 127) / 128."""
        maps, seen = self.stem(images), []
        for number, block in enumerate(self.blocks):
            maps = block(maps)
            if number >= FIRST_POOLED:
                seen.append(maps.mean((2, 3)))
        return LiteFeatures(torch.cat(seen, dim=1), self.last(maps))


class _ConvNorm(nn.Module):
    """A convolution with TensorFlow's padding, a batch norm, and ReLU6."""

    def __init__(self, wide: int, out: int, *, kernel: int = 1, stride: int = 1, groups: int = 1, active: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(wide, out, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(out, eps=_EPSILON, momentum=_MOMENTUM)
        self.active = active

    def forward(self, maps: Tensor) -> Tensor:
        maps = self.norm(self.conv(_padded(maps, self.conv.kernel_size[0], self.conv.stride[0])))
        return functional.relu6(maps) if self.active else maps


class _Block(nn.Module):
    """An inverted residual (Sandler et al. 2018)."""

    def __init__(self, wide: int, out: int, expand: int, kernel: int, stride: int) -> None:
        super().__init__()
        middle = wide * expand
        self.expand = _ConvNorm(wide, middle) if expand > 1 else None
        self.depthwise = _ConvNorm(middle, middle, kernel=kernel, stride=stride, groups=middle)
        self.project = _ConvNorm(middle, out, active=False)
        self.residual = stride == 1 and wide == out

    def forward(self, maps: Tensor) -> Tensor:
        wide = maps if self.expand is None else self.expand(maps)
        out: Tensor = self.project(self.depthwise(wide))
        return maps + out if self.residual else out


def _padded(maps: Tensor, kernel: int, stride: int) -> Tensor:
    """Zeros around the map as TensorFlow's `SAME` has them: with stride 2, one more after than before."""
    sides = []
    for size in (int(maps.shape[3]), int(maps.shape[2])):
        padding = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        sides += [padding // 2, padding - padding // 2]
    return functional.pad(maps, sides) if any(sides) else maps


_NAMES = {
    "_conv_stem.": "stem.conv.",
    "_bn0.": "stem.norm.",
    "_conv_head.": "last.conv.",
    "_bn1.": "last.norm.",
    "_fc.": "classifier.",
}
_BLOCK_NAMES = {
    "_expand_conv.": "expand.conv.",
    "_bn0.": "expand.norm.",
    "_depthwise_conv.": "depthwise.conv.",
    "_bn1.": "depthwise.norm.",
    "_project_conv.": "project.conv.",
    "_bn2.": "project.norm.",
}


def published_names(state: Mapping[str, object]) -> dict[str, object]:
    """The published state_dict under the names of this file; other names stay as they are."""
    named = {}
    for name, value in state.items():
        place, rest, names = "", name, _NAMES
        if name.startswith("_blocks."):
            _, number, rest = name.split(".", 2)
            place, names = f"blocks.{number}.", _BLOCK_NAMES
        old = next((old for old in names if rest.startswith(old)), None)
        named[place + (names[old] + rest.removeprefix(old) if old else rest)] = value
    return named
