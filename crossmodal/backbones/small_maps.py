"""Convolution over maps of a few pixels, as one matrix product.

Deep in a network that is trained on small pictures a map is 2 by 2 pixels, and the gradient of a 512-channel convolution over it takes
most of a training step: the library's kernels are made for large maps. Written as patches times weights it is the same numbers several
times sooner (Chellapilla et al. 2006, "High Performance Convolutional Neural Networks for Document Processing").
`benchmarks/small_maps.py` measures it.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

MAX_MAP_PIXELS = 4
"""Largest output map, in pixels, for which the matrix product was the faster one."""
MAX_BF16_MAP_PIXELS = 1
"""In bfloat16 the library is fast on small maps too. On a single pixel its gradient of the weights is not even the same from call to call
(torch 2.13, AVX512-BF16) and sometimes not finite, so there the matrix product stays."""


class SmallMapConv2d(nn.Conv2d):
    """A `Conv2d` without groups or dilation that multiplies matrices when its output map has at most 4 pixels."""

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
        # In channels-last memory this order of the weights is the one they lie in: no copy of them is made.
        flat = functional.linear(rows, self.weight.permute(0, 2, 3, 1).reshape(self.out_channels, -1), self.bias)
        return flat.view(len(images), height, width, self.out_channels).permute(0, 3, 1, 2)

    def _out(self, side: int, axis: int) -> int:
        return (side + 2 * int(self.padding[axis]) - self.kernel_size[axis]) // self.stride[axis] + 1


def use_small_maps(network: nn.Module) -> nn.Module:
    """Let every plain 3 by 3 convolution of a network be a `SmallMapConv2d`, with its weights and under its name; in place."""
    for module in network.modules():
        for name, child in list(module.named_children()):
            if type(child) is nn.Conv2d and child.kernel_size == (3, 3) and child.groups == 1 and child.bias is None:
                stride, padding = child.stride[0], int(child.padding[0])
                small = SmallMapConv2d(child.in_channels, child.out_channels, 3, stride, padding, bias=False)
                small.weight = child.weight
                setattr(module, name, small)
    return network
